import { join } from "node:path";

import { messageOf, UserError } from "./errors";
import { withLock } from "./lock";
import { runRoot } from "./paths";
import { run, which } from "./process";
import { say } from "./progress";

/** Administration commands are in directories that a user's PATH often lacks. */
const SYSTEM_PATH = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Absolute path of a command on PATH or in a system directory, or undefined. */
export function findCommand(command: string): Promise<string | undefined> {
    return which(command, SYSTEM_PATH);
}

/** Whether packages can be installed here: root, with apt-get. */
export async function canInstall(): Promise<boolean> {
    return process.getuid?.() === 0 && (await which("apt-get")) !== undefined;
}

/**
 * Absolute path of a command, installed from the given Debian package where it is missing and this user may do so.
 *
 * @throws UserError naming command and package when it is missing and cannot be installed
 */
export async function ensureCommand(command: string, debianPackage: string): Promise<string> {
    const found = await findCommand(command);
    if (found) return found;
    const remedy = `install the package ${debianPackage}, or run this as root on Debian or Ubuntu`;
    if (!(await canInstall())) throw new UserError(`${command} is missing`, remedy);
    await installDebianPackages([debianPackage], command);
    const installed = await findCommand(command);
    if (!installed) throw new UserError(`the package ${debianPackage} holds no ${command}`, `install ${command}`);
    return installed;
}

/**
 * Sees to it that Debian packages are installed: installs what is missing where this is Debian and the user is root.
 *
 * @param purpose what needs them, for the message
 * @throws UserError with the command that installs them where we may not
 */
export async function installDebianPackages(packages: string[], purpose: string): Promise<void> {
    let missing = await missingDebianPackages(packages);
    if (missing.length === 0) return;
    const needs = `${purpose} needs ${missing.join(", ")}`;
    const remedy = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
    if (process.getuid?.() !== 0) throw new UserError(needs, `run as root: ${remedy}`);
    await withLock(join(runRoot, "apt.lock"), async () => {
        missing = await missingDebianPackages(packages);
        if (missing.length === 0) return;
        say(`installing Debian packages: ${missing.join(" ")}`);
        const install = ["install", "-y", "--no-install-recommends", ...missing];
        // The lists of packages may be old, or not there at all; they are fetched only then.
        await aptGet(install).catch(async () => {
            try {
                await aptGet(["update"]);
                await aptGet(install);
            } catch (error) {
                const reason = messageOf(error).split("\n").at(-1);
                throw new UserError(`${needs}, which could not be installed: ${reason}`, remedy);
            }
        });
    });
}

/**
 * Those of the packages that are not installed.
 *
 * @throws UserError when this is not a Debian system
 */
export async function missingDebianPackages(packages: string[]): Promise<string[]> {
    const installed = await run("dpkg-query", ["-W", "-f", "${Package} ${db:Status-Status}\n"]).catch((): never => {
        throw new UserError("this is not a Debian system", `install by your system's means: ${packages.join(" ")}`);
    });
    const names = new Set(
        installed.stdout
            .split("\n")
            .filter((line) => line.endsWith(" installed"))
            .map((line) => line.split(" ")[0]),
    );
    return packages.filter((name) => !names.has(name));
}

function aptGet(args: string[]) {
    // Services that come with a package are started by us, when and where they are needed, not by its install script.
    const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1", PATH: SYSTEM_PATH };
    return run("apt-get", ["-q", "-o", "DPkg::Lock::Timeout=600", ...args], { env });
}
