import { canUseKind } from "../cluster/kind";
import { findCluster } from "../cluster/local/layout";
import { imagesStatus } from "../images/status";
import { missingDebianPackages } from "../lib/debian";
import { messageOf } from "../lib/errors";
import { cacheRoot, stateRoot } from "../lib/paths";
import { duration } from "../lib/progress";
import type { CommandOptions } from "../main";
import { builtBinary, findGo } from "../toolchain/goBuild";
import { clusterBinaries, GoBinary, pulumiBinaries } from "../toolchain/goBinaries";
import { pulumiRoute } from "../toolchain/pulumi";

const ROUTES = {
    path: "the one on PATH",
    official: "official download",
    modules: "built from Go modules",
};

/** Says which routes this machine takes, what is missing, and the one line that mends it. */
export async function doctor(options: CommandOptions): Promise<void> {
    const route = await pulumiRoute();
    const kind = await canUseKind();
    const needed = [...(route === "modules" ? pulumiBinaries : []), ...(kind ? [] : clusterBinaries)];
    console.log(`node      ${process.version}`);
    console.log(`pulumi    ${ROUTES[route]}`);
    console.log(`cluster   ${kind ? "kind" : "built from Go modules, in a network namespace of its own"}`);
    console.log(
        `running   ${findCluster(options.cluster) ? `cluster ${options.cluster} exists: make cluster-status` : "no cluster yet: make cluster"}`,
    );
    console.log(`cache     ${cacheRoot}`);
    console.log(`state     ${process.env.PULUMI_BACKEND_URL ?? stateRoot}`);
    const problems = await problemsWith(needed, kind);
    for (const line of problems) console.log(`MISSING   ${line}`);
    const toBuild = needed.filter((binary) => !builtBinary(binary));
    if (toBuild.length > 0) {
        const seconds = toBuild.reduce((sum, { usualSeconds }) => sum + usualSeconds, 0);
        console.log(
            `to build  ${toBuild.map(({ name }) => name).join(", ")}: about ${duration(seconds)} on two cores, at the first make up`,
        );
    }
    if (problems.length > 0) process.exitCode = 1;
    else console.log("ready     make up");
}

async function problemsWith(needed: GoBinary[], kind: boolean): Promise<string[]> {
    const problems: string[] = [];
    const isRoot = process.getuid?.() === 0;
    if (!kind && !isRoot)
        problems.push("root, for a cluster in network namespaces: run as root, or start Docker and install kind");
    if (needed.some((binary) => !builtBinary(binary)) && !(await findGo()) && !isRoot)
        problems.push("Go: run as root: apt-get install -y golang-go");
    if (!isRoot && needed.length > 0) {
        const packages = await missingDebianPackages([
            ...new Set(needed.flatMap(({ cgoPackages = [] }) => cgoPackages)),
        ]).catch((error: unknown) => [messageOf(error)]);
        if (packages.length > 0)
            problems.push(`${packages.join(", ")}: run as root: apt-get install -y ${packages.join(" ")}`);
    }
    for (const { what, ok, detail, remedy } of await imagesStatus()) {
        if (!ok) problems.push(`${what} (${detail})${remedy ? `: ${remedy}` : ""}`);
    }
    return problems;
}
