import { existsSync } from "node:fs";
import { join } from "node:path";

import { UserError } from "../lib/errors";
import { privateDirectory, stateRoot } from "../lib/paths";
import { run, which } from "../lib/process";
import { Step } from "../lib/progress";
import { findEngine, canPull } from "../images/engine";
import { CONTAINER, ensureRegistry } from "../images/registry";
import { versions } from "../toolchain/versions";
import type { Target, TargetRequest } from "./target";

const REGISTRY_PORT = 5001;

/** Whether kind is installed, Docker answers, and the node image is there or can be pulled. */
export async function canUseKind(): Promise<boolean> {
    if (!(await which("kind"))) return false;
    const engine = await findEngine();
    return engine !== undefined && (await canPull(engine, versions.kindNode));
}

/** The steps that make a kind cluster with the local registry beside it. */
export async function kindTarget(request: TargetRequest) {
    const name = `dp-${request.cluster}`;
    const kubeconfig = join(privateDirectory(stateRoot, "kind"), `${name}.kubeconfig`);
    const target = async (): Promise<Target> => {
        if (!(await which("kubectl")))
            throw new UserError(
                "kubectl is missing",
                "install it beside kind: https://kubernetes.io/docs/tasks/tools/",
            );
        return { route: "kind", name: request.cluster, kubeconfig, context: `kind-${name}`, kubectl: "kubectl" };
    };
    const exists = async () => (await run("kind", ["get", "clusters"])).stdout.split("\n").includes(name);
    const steps: Step[] = [
        {
            label: `kind cluster ${name}`,
            usualSeconds: 90,
            run: async () => {
                await ensureRegistry();
                if (!(await exists())) {
                    const input = clusterConfig(request.nodes ?? 1);
                    await run(
                        "kind",
                        [
                            "create",
                            "cluster",
                            "--name",
                            name,
                            "--image",
                            versions.kindNode,
                            "--kubeconfig",
                            kubeconfig,
                            "--wait",
                            "120s",
                            "--config",
                            "-",
                        ],
                        { input },
                    );
                }
                await run("kind", ["export", "kubeconfig", "--name", name, "--kubeconfig", kubeconfig]);
                await connectRegistry(name);
            },
        },
    ];
    return {
        steps,
        result: target,
        existing: async () => ((await exists()) && existsSync(kubeconfig) ? target() : undefined),
    };
}

/** Removes a kind cluster; false when there was none. */
export async function deleteKindCluster(cluster: string): Promise<boolean> {
    const name = `dp-${cluster}`;
    if (!(await which("kind")) || !(await findEngine())) return false;
    if (!(await run("kind", ["get", "clusters"])).stdout.split("\n").includes(name)) return false;
    await run("kind", ["delete", "cluster", "--name", name]);
    return true;
}

function clusterConfig(nodes: number): string {
    const workers = Array.from({ length: nodes - 1 }, () => "- role: worker");
    return `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
${workers.join("\n")}
`;
}

/** Lets the nodes find the local registry under the address that image references name. */
async function connectRegistry(name: string): Promise<void> {
    await run("docker", ["network", "connect", "kind", CONTAINER]).catch((error: Error) => {
        if (error.message.includes("already exists in network")) return;
        throw new UserError(
            `kind's nodes cannot reach the registry: ${error.message.split("\n").at(-1)}`,
            `the registry must run as the container ${CONTAINER}: stop whatever else listens at 127.0.0.1:${REGISTRY_PORT}`,
        );
    });
    const directory = `/etc/containerd/certs.d/127.0.0.1:${REGISTRY_PORT}`;
    const { stdout } = await run("kind", ["get", "nodes", "--name", name]);
    for (const node of stdout.split("\n").filter(Boolean)) {
        await run("docker", ["exec", node, "mkdir", "-p", directory]);
        await run("docker", ["exec", "-i", node, "cp", "/dev/stdin", `${directory}/hosts.toml`], {
            input: `[host."http://${CONTAINER}:5000"]\n`,
        });
    }
}
