import { spawn } from "node:child_process";

import { waitFor } from "../../tools/lib/process";
import { kubectl, kubectlFlags } from "./kubectl";
import { testEnvironment } from "./testCluster";

const NODE = "/nodejs/bin/node";

/** A pod away from the scenario, from which a test connects as any other pod would. */
export class ClientPod {
    private constructor(
        private readonly namespace: string,
        readonly address: string,
    ) {}

    /** Starts a pod with Node in a namespace of its own. */
    static async start(image: string): Promise<ClientPod> {
        const namespace = `client-${testEnvironment().runId}-${Math.random().toString(36).slice(2, 6)}`;
        await kubectl(["create", "namespace", namespace]);
        await kubectl(["apply", "-n", namespace, "-f", "-"], JSON.stringify(podManifest(image)));
        await kubectl(["wait", "-n", namespace, "--for=condition=Ready", "pod/client", "--timeout=90s"]);
        const address = await kubectl(["get", "-n", namespace, "pod/client", "-o", "jsonpath={.status.podIP}"]);
        return new ClientPod(namespace, address);
    }

    /** Runs an async function body in the pod's Node and returns what it returns, as JSON. */
    async run<T>(body: string, parameters: Record<string, unknown> = {}): Promise<T> {
        const script = `const p = ${JSON.stringify(parameters)};
(async () => { ${body} })().then((r) => console.log(JSON.stringify(r ?? null)), (e) => { console.error(e); process.exit(1); });`;
        return JSON.parse(await kubectl(["exec", "-n", this.namespace, "client", "--", NODE, "-e", script])) as T;
    }

    /** Removes the pod with its namespace. */
    async stop(): Promise<void> {
        await kubectl(["delete", "namespace", this.namespace, "--wait=false"]);
    }
}

function podManifest(image: string) {
    return {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "client" },
        spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 0,
            containers: [{ name: "client", image, command: [NODE, "-e", "setInterval(() => undefined, 1e9)"] }],
        },
    };
}

/** A local port that leads to a port of a pod or Service. */
export interface Forward {
    url: string;
    close(): void;
}

/** Forwards a local port of the kernel's choice. */
export async function forward(namespace: string, resource: string, port: number | string): Promise<Forward> {
    const { target } = testEnvironment();
    const child = spawn(
        target.kubectl,
        [...kubectlFlags(target), "-n", namespace, "port-forward", resource, `:${port}`],
        { stdio: ["ignore", "pipe", "inherit"] },
    );
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const local = await waitFor(`port-forward to ${resource}`, () => /127\.0\.0\.1:(\d+)/.exec(output)?.[1], {
        timeoutMs: 20_000,
    });
    return { url: `http://127.0.0.1:${local}`, close: () => child.kill() };
}
