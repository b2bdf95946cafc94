import { waitFor } from "../../../tools/lib/process";
import { kubectl } from "../../support/kubectl";
import { skipAll } from "../../support/skip";
import { digests, testEnvironment } from "../../support/testCluster";

/** The Node in every image of ours; there is nothing else in them to run. */
const NODE = "/nodejs/bin/node";

/** Answers each HTTP request at port 8080 with the pod's name. */
export const SERVE_NAME = `require("node:http")
    .createServer((_, response) => response.end(process.env.HOSTNAME))
    .listen(8080)`;

/** Waits to be told to run something. */
export const IDLE = "setInterval(() => undefined, 1e9)";

/** What a test's pod is made of beside what all have. */
export interface PodOptions {
    labels?: Record<string, string>;
    /** Added to the pod's spec. */
    spec?: object;
    /** Added to the container. */
    container?: object;
}

/** A namespace of a test's own, which admits restricted pods only, and what is done in it. */
export class TestNamespace {
    private constructor(readonly name: string) {}

    /** Makes the namespace; `close` removes it. */
    static async open(purpose: string): Promise<TestNamespace> {
        const name = `${purpose}-${testEnvironment().runId}`;
        const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
        await kubectl(["apply", "-f", "-"], {
            apiVersion: "v1",
            kind: "Namespace",
            metadata: { name, labels },
        });
        const namespace = new TestNamespace(name);
        // Pods are refused until it is there.
        await waitFor("the service account", () =>
            namespace.kubectl(["get", "serviceaccount", "default"]).catch(() => false),
        );
        return namespace;
    }

    /** Has the namespace removed with all in it; that goes on after this. */
    async close(): Promise<void> {
        await kubectl(["delete", "namespace", this.name, "--ignore-not-found", "--wait=false"]);
    }

    /** kubectl in the namespace. */
    kubectl(args: string[], input?: object): Promise<string> {
        return kubectl(["-n", this.name, ...args], input);
    }

    async apply(...items: object[]): Promise<void> {
        await this.kubectl(["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items });
    }

    /** What kubectl's `-o jsonpath` gives. */
    get(resource: string, path: string): Promise<string> {
        return this.kubectl(["get", resource, "-o", `jsonpath={${path}}`]);
    }

    /** Starts a pod that runs a script in Node, and waits until it is ready. */
    async run(name: string, script: string, options: PodOptions = {}): Promise<void> {
        const { metadata, spec } = podTemplate(script, options);
        await this.apply({ apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name }, spec });
        await this.kubectl(["wait", `pod/${name}`, "--for=condition=Ready", "--timeout=90s"]);
    }

    /** Runs the body of an async function in a pod's Node; resolves to what it returns, as JSON. */
    async evaluate<T>(pod: string, body: string): Promise<T> {
        const script = `(async () => { ${body} })().then(
            (result) => console.log(JSON.stringify(result ?? null)),
            (error) => { console.error(error); process.exit(1); },
        )`;
        return JSON.parse(await this.kubectl(["exec", pod, "--", NODE, "-e", script])) as T;
    }
}

/** A restricted pod that runs a script in Node, as a template or for a pod. */
export function podTemplate(script: string, { labels = {}, spec = {}, container = {} }: PodOptions = {}) {
    return {
        metadata: { labels },
        spec: {
            automountServiceAccountToken: false,
            terminationGracePeriodSeconds: 0,
            securityContext: {
                runAsNonRoot: true,
                runAsUser: 65532,
                fsGroup: 65532,
                seccompProfile: { type: "RuntimeDefault" },
            },
            containers: [
                {
                    name: "node",
                    image: digests()["legacy-service"],
                    command: [NODE, "-e", script],
                    securityContext: {
                        allowPrivilegeEscalation: false,
                        readOnlyRootFilesystem: true,
                        capabilities: { drop: ["ALL"] },
                    },
                    resources: { requests: { cpu: "10m", memory: "48Mi" }, limits: { memory: "256Mi" } },
                    ...container,
                },
            ],
            ...spec,
        },
    };
}

/** Called in a `before` hook: skips its suite where the cluster is not the project's own from modules. */
export function skipUnlessFromModules(hook: Mocha.Context): void {
    const { route } = testEnvironment().target;
    if (route !== "modules") skipAll(hook, `only on a cluster from modules, this is ${route}`);
}
