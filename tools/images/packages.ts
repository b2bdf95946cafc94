import { UserError } from "../lib/errors";
import { withLock } from "../lib/lock";
import { run, which } from "../lib/process";
import { say } from "../lib/progress";
import { runRoot } from "./daemon";

/** Administration commands that a user's PATH often lacks. */
const SYSTEM_PATH = `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`;

/** Whether packages can be installed here: root, with apt-get. */
export async function canInstall(): Promise<boolean> {
    return process.getuid?.() === 0 && (await which("apt-get")) !== undefined;
}

/** Absolute path of a command on PATH or in a system directory, or undefined. */
export async function findCommand(command: string): Promise<string | undefined> {
    try {
        const { stdout } = await run("/bin/sh", ["-c", 'command -v -- "$0"', command], { env: { PATH: SYSTEM_PATH } });
        return stdout.trim();
    } catch {
        return undefined;
    }
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
    await installPackages([debianPackage]);
    const installed = await findCommand(command);
    if (!installed) throw new UserError(`the package ${debianPackage} holds no ${command}`, `install ${command}`);
    return installed;
}

/** Installs Debian packages without their recommendations. */
export async function installPackages(packages: string[]): Promise<void> {
    await withLock(`${runRoot}/apt.lock`, async () => {
        say(`installing ${packages.join(", ")}`);
        const env = { DEBIAN_FRONTEND: "noninteractive", PATH: SYSTEM_PATH };
        const wait = ["-o", "DPkg::Lock::Timeout=600"];
        await run("apt-get", [...wait, "update", "-q"], { env });
        await run("apt-get", [...wait, "install", "-q", "-y", "--no-install-recommends", ...packages], { env });
    });
}
