import { copyFileSync, existsSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";

import { installDebianPackages } from "../../lib/debian";
import { buildBinary } from "../../toolchain/goBuild";
import { clusterBinaries } from "../../toolchain/goBinaries";

/** Components that are one binary, told apart by the name it is started under. */
const KUBE = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"];

/** Debian packages that the nodes call: CNI plugins, packet filter, connection tracking, namespaces. */
const NODE_PACKAGES = [
    "containernetworking-plugins",
    "nftables",
    "iptables",
    "conntrack",
    "iproute2",
    "procps",
    "util-linux",
    "mount",
];

/** Folder of Debian's CNI plugins. */
export const CNI_PLUGINS = "/usr/lib/cni";

/** Path of each binary of a cluster, by name, built where needed. */
export async function nodeBinaries(): Promise<Map<string, string>> {
    await installDebianPackages(NODE_PACKAGES, "a local cluster");
    const paths = new Map<string, string>();
    for (const binary of clusterBinaries) paths.set(binary.name, await buildBinary(binary));
    return paths;
}

/**
 * Puts the binaries of a cluster side by side, under the names they are started by: containerd looks for its shim and
 * for runc next to itself, and a cluster keeps running on what it was started with when the cache changes.
 */
export function linkBinaries(paths: Map<string, string>, directory: string): void {
    mkdirSync(directory, { recursive: true });
    for (const path of paths.values()) {
        const target = join(directory, basename(path));
        if (existsSync(target)) continue;
        try {
            linkSync(path, target);
        } catch {
            // On another disk. It takes its name when it is complete.
            copyFileSync(path, `${target}.partial`);
            renameSync(`${target}.partial`, target);
        }
    }
    for (const name of KUBE) {
        rmSync(join(directory, name), { force: true });
        symlinkSync("kube", join(directory, name));
    }
}
