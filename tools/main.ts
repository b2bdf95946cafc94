import { parseArgs } from "node:util";

import { requireClusterName, requireNodeCount } from "./cluster/local/layout";
import { cluster, clusterDown, clusterStatus } from "./commands/cluster";
import { doctor } from "./commands/doctor";
import { images, imagesDown } from "./commands/images";
import { destroy, preview, up } from "./commands/stack";
import { messageOf, UserError } from "./lib/errors";
import { say } from "./lib/progress";

/** What every command is given, from the variables of `make`. */
export interface CommandOptions {
    /** Scenario. Default: ch02-https-sidecar, except for `preview`, which then shows all. */
    stack?: string;
    /** Name of the local cluster. */
    cluster: string;
    nodes?: number;
    context?: string;
    kubeconfig?: string;
    /** `key=value` pairs for the stack's configuration. */
    config?: string;
}

const commands: Record<string, (options: CommandOptions) => Promise<void>> = {
    up,
    preview,
    destroy,
    cluster,
    "cluster-down": clusterDown,
    "cluster-status": clusterStatus,
    images,
    "images-down": imagesDown,
    doctor,
};

async function main(argv: string[]): Promise<void> {
    const { values, positionals } = parseArgs({
        args: argv,
        allowPositionals: true,
        options: Object.fromEntries(
            ["stack", "cluster", "nodes", "context", "kubeconfig", "config"].map((name) => [
                name,
                { type: "string" as const },
            ]),
        ),
    });
    const [name = "", ...rest] = positionals;
    if (!Object.hasOwn(commands, name) || rest.length > 0)
        throw new UserError(`command "${positionals.join(" ")}"`, `there are ${Object.keys(commands).join(", ")}`);
    // `make` passes variables that are not set as empty text.
    const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "")) as Record<
        string,
        string
    >;
    const { cluster: clusterName = "dev", nodes, ...others } = given;
    await commands[name]({
        ...others,
        cluster: requireClusterName(clusterName),
        nodes: nodes === undefined ? undefined : requireNodeCount(nodes),
    });
}

main(process.argv.slice(2)).catch((error: unknown) => {
    // What people can mend is one line; anything else is a fault of ours and shows where it happened.
    say(
        error instanceof UserError
            ? `error: ${error.message}`
            : `error: ${error instanceof Error && process.env.DP_DEBUG ? error.stack : messageOf(error)}`,
    );
    process.exit(1);
});
