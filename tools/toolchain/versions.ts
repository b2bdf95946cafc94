/** What is installed or built, at the versions that were tried together. */
export const versions = {
    /** Official CLI, where it can be downloaded: that of the Node SDK in the lockfile. */
    pulumiOfficial: "3.246.0",
    /** CLI built from its Go module: the last one that starts policy packs through the language host below. */
    pulumiFromModule: "3.200.0",
    /** Node language host built from its Go module: the last one whose source a module serves. */
    nodeLanguageHost: "3.68.0",
    /** Oldest CLI on PATH that is used as it is. */
    pulumiOldest: "3.200.0",
    kubernetesProvider: "4.25.0",
    kubernetes: "1.37.2",
    etcd: "3.7.3",
    coredns: "1.15.0",
    metricsServer: "0.9.0",
    containerd: "2.4.2",
    runc: "1.5.2",
    /** Node image of kind, where kind runs. */
    kindNode: "kindest/node:v1.34.0",
    /** Oldest Go whose `go` command fetches the toolchain a module asks for. */
    goOldest: "1.21",
    /** Go that is fetched through an older `go` command, such as Debian 12's. */
    goToolchain: "1.26.8",
} as const;

/**
 * Whether a version such as `3.200.0` (or less of it) is not older than another; no version is older than all. What
 * follows the number of a part, as in `1.27rc1`, does not count.
 */
export function isAtLeast(version: string | undefined, oldest: string): boolean {
    const [given, wanted] = [version ?? "0", oldest].map((text) =>
        text.split(".").map((part) => Number.parseInt(part, 10) || 0),
    );
    for (const [index, part] of wanted.entries()) {
        if ((given[index] ?? 0) !== part) return (given[index] ?? 0) > part;
    }
    return true;
}
