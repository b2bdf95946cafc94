import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { findCommand, installDebianPackages } from "../lib/debian";
import { UserError } from "../lib/errors";
import { withLock } from "../lib/lock";
import { cacheRoot } from "../lib/paths";
import { run } from "../lib/process";
import { AptSource, debianMirrors, parseDeb822, parseSourcesList } from "./aptSources";

/** Debian release that stand-in images are made from. */
export const SUITE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const APT_ROOT = join(cacheRoot, "mirror", "apt");

/**
 * Downloads the newest versions of these packages of Debian 13 and unpacks them into a directory. Dependencies are not
 * followed, no package script is run, and neither root nor the machine's own package state is involved.
 *
 * @throws UserError when this machine has no apt
 */
export async function unpackPackages(packages: string[], directory: string): Promise<void> {
    const options = await (prepared ??= prepareApt());
    const downloads = join(directory, ".downloads");
    mkdirSync(downloads, { recursive: true });
    await run("apt-get", [...options, "download", "-q", ...packages], { cwd: downloads });
    for (const file of readdirSync(downloads)) await run("dpkg-deb", ["--extract", join(downloads, file), directory]);
}

let prepared: Promise<string[]> | undefined;

/** Makes apt lists for Debian 13 of our own, and returns the options that point apt at them. */
async function prepareApt(): Promise<string[]> {
    if (!(await findCommand("apt-get")) || !(await findCommand("dpkg-deb"))) {
        throw new UserError(
            "stand-in images are made from Debian packages, and this machine has no apt",
            "use Debian or Ubuntu, or a Docker that can pull images",
        );
    }
    if (!existsSync(KEYRING)) await installDebianPackages(["debian-archive-keyring"], "making stand-in images");
    for (const directory of ["state/lists/partial", "cache/archives/partial"])
        mkdirSync(join(APT_ROOT, directory), { recursive: true });
    const { main, security } = debianMirrors(machineSources());
    const trust = `deb [arch=amd64 signed-by=${KEYRING}]`;
    writeFileSync(
        join(APT_ROOT, "sources.list"),
        `${trust} ${main} ${SUITE} main\n${trust} ${main} ${SUITE}-updates main\n${trust} ${security} ${SUITE}-security main\n`,
    );
    writeFileSync(join(APT_ROOT, "status"), "");
    const settings = {
        "Dir::Etc::SourceList": join(APT_ROOT, "sources.list"),
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State": join(APT_ROOT, "state"),
        "Dir::State::status": join(APT_ROOT, "status"),
        "Dir::Cache": join(APT_ROOT, "cache"),
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Default-Release": "",
        // apt's own user cannot read a home directory's cache.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
    await withLock(`${APT_ROOT}.lock`, () => run("apt-get", [...options, "update", "-q"]));
    return options;
}

function machineSources(): AptSource[] {
    const read = (file: string) => (existsSync(file) ? readFileSync(file, "utf8") : "");
    const parts = "/etc/apt/sources.list.d";
    const files = existsSync(parts)
        ? readdirSync(parts)
              .sort()
              .map((name) => join(parts, name))
        : [];
    return [
        ...parseSourcesList(read("/etc/apt/sources.list")),
        ...files.filter((file) => file.endsWith(".list")).flatMap((file) => parseSourcesList(read(file))),
        ...files.filter((file) => file.endsWith(".sources")).flatMap((file) => parseDeb822(read(file))),
    ];
}
