import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

import { messageOf, UserError } from "../../lib/errors";
import { writeWhole } from "../../lib/files";
import { say } from "../../lib/progress";
import { ApiClient } from "./api";
import { compile } from "./compile";
import { readKubeconfig } from "./kubeconfig";
import { hashOf, Nodes, NodeState } from "./nodes";
import { Namespace, NetworkPolicy, Pod } from "./objects";
import { Reflector } from "./reflector";

/** Changes that come within this time are applied together. */
const DEBOUNCE_MS = 50;
/** How often namespaces are looked at without a change in the cluster: a node may have been made anew. */
const RESYNC_MS = 2000;

const USAGE = "agent --kubeconfig <file> --netns <name>[,<name>…] [--status <file>]";

/** Content of the status file. */
export interface Status {
    /** When the rules were last compared with the cluster, ISO 8601; renewed every few seconds. */
    syncedAt: string;
    policies: number;
    pods: number;
    /** Pods that a policy isolates in at least one direction. */
    isolated: number;
    rulesetHash: string;
    /**
     * The rules follow from these versions. A policy is enforced when its own `metadata.resourceVersion`, as a number, is
     * not above `networkpolicies` and every node is `current`; the same holds for a pod.
     */
    resourceVersions: { pods: string; namespaces: string; networkpolicies: string };
    /** What each network namespace holds. */
    nodes: Record<string, NodeState>;
}

/**
 * Enforces the NetworkPolicies of one cluster whose nodes are network namespaces of this machine, until SIGTERM or
 * SIGINT. The rules outlive the process, whatever ends it; the next one takes them over.
 *
 * @param argv arguments, see `USAGE`
 * @throws UserError for bad arguments or a bad kubeconfig
 */
export async function main(argv: string[]): Promise<void> {
    const { kubeconfig, netns, status: statusFile } = parseArguments(argv);
    const api = new ApiClient(readKubeconfig(kubeconfig));
    const nodes = new Nodes(netns);
    const report = reporter();
    const stop = new AbortController();
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());

    const sync = coalesce(async () => {
        const versions = [pods, namespaces, policies].map(({ resourceVersion }) => resourceVersion);
        if (versions.includes(undefined)) return;
        const { text, ...counts } = compile({
            pods: pods.items,
            namespaces: namespaces.items,
            policies: policies.items,
        });
        const { states, changed } = await nodes.apply(text);
        report(changed, states, `${counts.policies} policies, ${counts.isolated} of ${counts.pods} pods isolated`);
        const [podVersion, namespaceVersion, policyVersion] = versions as string[];
        const status: Status = {
            syncedAt: new Date().toISOString(),
            ...counts,
            rulesetHash: hashOf(text),
            resourceVersions: { pods: podVersion, namespaces: namespaceVersion, networkpolicies: policyVersion },
            nodes: states,
        };
        if (statusFile) writeWhole(statusFile, `${JSON.stringify(status, undefined, 2)}\n`);
    });
    const pods = new Reflector<Pod>(api, "/api/v1/pods", sync.request);
    const namespaces = new Reflector<Namespace>(api, "/api/v1/namespaces", sync.request);
    const policies = new Reflector<NetworkPolicy>(api, "/apis/networking.k8s.io/v1/networkpolicies", sync.request);

    const resync = setInterval(sync.request, RESYNC_MS);
    await Promise.all([pods, namespaces, policies].map((reflector) => reflector.run(stop.signal)));
    clearInterval(resync);
    // An nft that is being fed must not be cut off in the middle of its input.
    await sync.idle();
}

function parseArguments(argv: string[]): { kubeconfig: string; netns: string[]; status?: string } {
    const option = { type: "string" } as const;
    const values = ((): { kubeconfig?: string; netns?: string; status?: string } => {
        try {
            return parseArgs({ args: argv, options: { kubeconfig: option, netns: option, status: option } }).values;
        } catch (error) {
            throw new UserError(messageOf(error), USAGE);
        }
    })();
    const netns = (values.netns ?? "").split(",").filter(Boolean);
    if (!values.kubeconfig) throw new UserError("--kubeconfig is not given", USAGE);
    const bad = netns.find((name) => !/^[\w.-]+$/.test(name));
    if (!netns.length || bad) {
        throw new UserError(`--netns is ${JSON.stringify(values.netns)}; give names as in \`ip netns\``, USAGE);
    }
    return { kubeconfig: values.kubeconfig, netns, status: values.status };
}

/** Runs `work` a little after it is requested and never twice at once; requests that come meanwhile cause one more run. */
function coalesce(work: () => Promise<void>): { request: () => void; idle: () => Promise<void> } {
    let requested = false;
    let running: Promise<void> | undefined;
    const loop = async () => {
        while (requested) {
            await delay(DEBOUNCE_MS);
            requested = false;
            await work().catch((error) => say(`network-policy: ${messageOf(error)}`));
        }
        running = undefined;
    };
    return {
        request: () => {
            requested = true;
            running ??= loop();
        },
        idle: async () => running,
    };
}

/** Says what changed, and each problem once until it changes. */
function reporter(): (changed: string[], states: Record<string, NodeState>, counts: string) => void {
    let said = "";
    return (changed, states, counts) => {
        if (changed.length) say(`network-policy: ${counts}; applied in ${changed.sort().join(", ")}`);
        const problems = Object.entries(states)
            .filter(([, state]) => state !== "current")
            .map(([name, state]) => `${name}: ${state}`)
            .join("; ");
        if (problems && problems !== said) say(`network-policy: ${problems}`);
        said = problems;
    };
}

if (require.main === module) {
    main(process.argv.slice(2)).then(
        () => process.exit(0),
        (error) => {
            say(error instanceof UserError ? error.message : String((error as Error).stack ?? error));
            process.exit(1);
        },
    );
}
