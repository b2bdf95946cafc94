import { UserError } from "./errors";
import { run } from "./process";
import { say } from "./progress";

/**
 * Sees to it that Debian packages are installed: installs what is missing where this is Debian and the user is root.
 *
 * @param purpose what needs them, for the message
 * @throws UserError with the command that installs them where we may not
 */
export async function installDebianPackages(packages: string[], purpose: string): Promise<void> {
    const missing = await missingDebianPackages(packages);
    if (missing.length === 0) return;
    const remedy = `apt-get install -y --no-install-recommends ${missing.join(" ")}`;
    if (process.getuid?.() !== 0)
        throw new UserError(`${purpose} needs ${missing.join(", ")}`, `run as root: ${remedy}`);
    say(`installing Debian packages: ${missing.join(" ")}`);
    // Services that come with a package are started by us, when and where they are needed, not by its install script.
    const env = { DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
    try {
        await run("apt-get", ["install", "-y", "--no-install-recommends", ...missing], { env });
    } catch {
        await run("apt-get", ["update"], { env });
        await run("apt-get", ["install", "-y", "--no-install-recommends", ...missing], { env }).catch(
            (error: Error) => {
                throw new UserError(
                    `${purpose} needs ${missing.join(", ")}, which could not be installed: ${error.message.split("\n").at(-1)}`,
                    remedy,
                );
            },
        );
    }
}

/** Those of the packages that are not installed. */
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
