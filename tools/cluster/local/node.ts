import { mkdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

import { stringify } from "yaml";

import { Daemon } from "../../lib/daemon";
import { CNI_PLUGINS } from "./binaries";
import { Credentials } from "./credentials";
import { ClusterLayout, network, NodeLayout } from "./layout";
import { inNamespace } from "./network";

/** Image that holds a pod's namespaces. */
export const PAUSE_IMAGE = "registry.k8s.io/pause:3.10";

/** Names of a node's daemons, in the order in which they are started. */
export const nodeDaemonNames = ["containerd", "kubelet", "kube-proxy"] as const;

/** Path of the socket of a node's container runtime. */
function runtimeSocket(node: NodeLayout): string {
    return join(node.runDirectory, "containerd.sock");
}

/** Writes a node's configuration files and returns its daemons, in the order of their names. */
export function nodeDaemons(
    cluster: ClusterLayout,
    node: NodeLayout,
    credentials: Credentials,
    binaries: string,
): Daemon[] {
    for (const directory of [node.directory, node.runDirectory]) mkdirSync(directory, { recursive: true, mode: 0o755 });
    const containerdConfig = writeContainerdConfig(cluster, node);
    const kubeletConfig = writeKubeletConfig(node, credentials);
    const daemon = (name: (typeof nodeDaemonNames)[number], command: string[], env?: NodeJS.ProcessEnv): Daemon => ({
        name,
        directory: node.directory,
        command: inNamespace(node, command),
        env,
    });
    return [
        // The shim and runc of the same build must come first on PATH.
        daemon("containerd", [join(binaries, "containerd"), "--config", containerdConfig], {
            ...process.env,
            PATH: [binaries, process.env.PATH].join(delimiter),
        }),
        daemon("kubelet", [
            join(binaries, "kubelet"),
            `--config=${kubeletConfig}`,
            `--kubeconfig=${credentials.kubeconfig(`kubelet-${node.name}`)}`,
            `--hostname-override=${node.name}`,
            `--node-ip=${node.address}`,
            `--root-dir=${join(node.directory, "kubelet")}`,
        ]),
        daemon("kube-proxy", [
            join(binaries, "kube-proxy"),
            `--kubeconfig=${credentials.kubeconfig("proxy")}`,
            `--hostname-override=${node.name}`,
            "--proxy-mode=nftables",
            `--cluster-cidr=${network.pods}`,
            // The limits of connection tracking belong to the machine.
            "--conntrack-max-per-core=0",
        ]),
    ];
}

function writeContainerdConfig(cluster: ClusterLayout, node: NodeLayout): string {
    const { runDirectory, directory } = node;
    const registries = join(directory, "registries");
    // Every registry name leads to the local registry, so that manifests keep the names of upstream images.
    const registry = `http://${cluster.hostAddress}:${network.registryPort}`;
    mkdirSync(join(registries, "_default"), { recursive: true });
    writeFileSync(
        join(registries, "_default/hosts.toml"),
        `server = "${registry}"\n[host."${registry}"]\n  capabilities = ["pull", "resolve"]\n`,
    );
    const cni = join(directory, "cni");
    mkdirSync(cni, { recursive: true });
    writeFileSync(join(cni, "10-routed.conflist"), JSON.stringify(networkConfig(node), null, 2));
    const file = join(directory, "containerd.toml");
    writeFileSync(
        file,
        `version = 3
root = "${directory}/containerd"
state = "${runDirectory}/containerd"
[grpc]
  address = "${runtimeSocket(node)}"
[ttrpc]
  address = "${runtimeSocket(node)}.ttrpc"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${PAUSE_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "${registries}"
[plugins."io.containerd.cri.v1.runtime"]
  # A machine without CAP_SYS_RESOURCE may raise this score, not lower it.
  restrict_oom_score_adj = true
  # Below the run directory, so that removing the cluster finds them.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["${CNI_PLUGINS}"]
    conf_dir = "${cni}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`,
    );
    return file;
}

/** Pods on point-to-point links: all their traffic is routed, so that NetworkPolicies see it. */
function networkConfig(node: NodeLayout) {
    return {
        cniVersion: "1.0.0",
        name: node.namespace,
        plugins: [
            {
                type: "ptp",
                ipMasq: false,
                ipam: {
                    type: "host-local",
                    dataDir: join(node.runDirectory, "addresses"),
                    ranges: [[{ subnet: node.podRange }]],
                    routes: [{ dst: "0.0.0.0/0" }],
                },
            },
            { type: "portmap", capabilities: { portMappings: true } },
        ],
    };
}

function writeKubeletConfig(node: NodeLayout, credentials: Credentials): string {
    const serving = credentials.kubelets.get(node.name)!;
    // What the machine's resolver knows cannot be reached from here, and its search domains would cost lookups.
    const resolver = join(node.directory, "resolv.conf");
    writeFileSync(resolver, "");
    const file = join(node.directory, "kubelet.yaml");
    writeFileSync(
        file,
        stringify({
            apiVersion: "kubelet.config.k8s.io/v1beta1",
            kind: "KubeletConfiguration",
            authentication: {
                anonymous: { enabled: false },
                webhook: { enabled: true },
                x509: { clientCAFile: credentials.cluster.certificate },
            },
            authorization: { mode: "Webhook" },
            tlsCertFile: serving.certificate,
            tlsPrivateKeyFile: serving.key,
            clusterDNS: [network.dnsService],
            clusterDomain: network.domain,
            containerRuntimeEndpoint: `unix://${runtimeSocket(node)}`,
            cgroupDriver: "cgroupfs",
            // One cgroup a kubelet: kubelets that share one remove each other's pods.
            cgroupRoot: node.cgroup,
            failCgroupV1: false,
            failSwapOn: false,
            resolvConf: resolver,
            maxPods: 110,
            serializeImagePulls: false,
            nodeStatusUpdateFrequency: "4s",
            shutdownGracePeriod: "0s",
            volumePluginDir: join(node.directory, "volume-plugins"),
            podLogsDir: join(node.directory, "pod-logs"),
            // The machine's disk is not the cluster's to judge.
            evictionHard: { "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
            imageGCHighThresholdPercent: 100,
        }),
    );
    return file;
}
