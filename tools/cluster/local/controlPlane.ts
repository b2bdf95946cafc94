import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { Daemon } from "../../lib/daemon";
import { Credentials } from "./credentials";
import { ClusterLayout, network } from "./layout";
import { inNamespace } from "./network";

/** Flags as a command line. */
function flags(values: Record<string, string | number | boolean>): string[] {
    return Object.entries(values).map(([name, value]) => `--${name}=${value}`);
}

/** Names of the daemons of the control plane, in the order in which they are started. */
export const controlPlaneNames = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "volume-provisioner",
    "network-policy",
] as const;

/** The daemons of the control plane, in the order of their names. All run in node 1's network namespace. */
export function controlPlane(cluster: ClusterLayout, credentials: Credentials, binaries: string): Daemon[] {
    const node = cluster.nodes[0];
    const directory = join(cluster.directory, "control-plane");
    const daemon = (name: string, binary: string, values: Record<string, string | number | boolean>): Daemon => ({
        name,
        directory,
        command: inNamespace(node, [join(binaries, binary), ...flags(values)]),
    });
    const etcd = "https://127.0.0.1:2379";
    return [
        daemon("etcd", "etcd", {
            "data-dir": join(directory, "etcd-data"),
            "listen-client-urls": etcd,
            "advertise-client-urls": etcd,
            "listen-peer-urls": "http://127.0.0.1:2380",
            "cert-file": credentials.etcdServer.certificate,
            "key-file": credentials.etcdServer.key,
            "trusted-ca-file": credentials.etcd.certificate,
            "client-cert-auth": true,
            // A killed process loses nothing by this; only a machine that loses power does, and this cluster with it.
            "unsafe-no-fsync": true,
        }),
        daemon("kube-apiserver", "kube-apiserver", {
            "advertise-address": node.address,
            "secure-port": network.apiPort,
            "service-cluster-ip-range": network.services,
            "allow-privileged": true,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "anonymous-auth": false,
            "etcd-servers": etcd,
            "etcd-cafile": credentials.etcd.certificate,
            "etcd-certfile": credentials.apiToEtcd.certificate,
            "etcd-keyfile": credentials.apiToEtcd.key,
            "tls-cert-file": credentials.apiServer.certificate,
            "tls-private-key-file": credentials.apiServer.key,
            "client-ca-file": credentials.cluster.certificate,
            "kubelet-certificate-authority": credentials.cluster.certificate,
            "kubelet-client-certificate": credentials.apiToKubelet.certificate,
            "kubelet-client-key": credentials.apiToKubelet.key,
            // Node names are not in any DNS.
            "kubelet-preferred-address-types": "InternalIP",
            "service-account-issuer": `https://kubernetes.default.svc.${network.domain}`,
            "service-account-key-file": credentials.serviceAccounts.publicKey,
            "service-account-signing-key-file": credentials.serviceAccounts.privateKey,
            "requestheader-client-ca-file": credentials.frontProxy.certificate,
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": credentials.apiToExtensions.certificate,
            "proxy-client-key-file": credentials.apiToExtensions.key,
        }),
        daemon("kube-controller-manager", "kube-controller-manager", {
            kubeconfig: credentials.kubeconfig("controller-manager"),
            "authentication-kubeconfig": credentials.kubeconfig("controller-manager"),
            "authorization-kubeconfig": credentials.kubeconfig("controller-manager"),
            "client-ca-file": credentials.cluster.certificate,
            "service-account-private-key-file": credentials.serviceAccounts.privateKey,
            "root-ca-file": credentials.cluster.certificate,
            "use-service-account-credentials": true,
            "leader-elect": false,
            // A lost node's pods go elsewhere within seconds, so that a test need not wait for minutes.
            "node-monitor-period": "2s",
            "node-monitor-grace-period": "16s",
        }),
        daemon("kube-scheduler", "kube-scheduler", {
            kubeconfig: credentials.kubeconfig("scheduler"),
            "authentication-kubeconfig": credentials.kubeconfig("scheduler"),
            "authorization-kubeconfig": credentials.kubeconfig("scheduler"),
            "leader-elect": false,
        }),
        daemon("volume-provisioner", "volume-provisioner", {
            kubeconfig: credentials.kubeconfig("volume-provisioner"),
            directory: join(cluster.directory, "volumes"),
        }),
        {
            name: "network-policy",
            directory,
            command: [
                process.execPath,
                join(directory, "network-policy.js"),
                ...flags({
                    kubeconfig: credentials.kubeconfig("network-policy"),
                    netns: cluster.nodes.map(({ namespace }) => namespace).join(","),
                    status: networkPolicyStatus(cluster),
                }),
            ],
        },
    ];
}

/** File in which the NetworkPolicy agent says what it has enforced. */
export function networkPolicyStatus(cluster: ClusterLayout): string {
    return join(cluster.runDirectory, "network-policy.json");
}

/** Writes the NetworkPolicy agent as one file, which starts faster than its sources. */
export async function bundleNetworkPolicyAgent(cluster: ClusterLayout): Promise<void> {
    const { build } = await import("esbuild");
    const result = await build({
        entryPoints: [join(__dirname, "../network-policy/agent.ts")],
        bundle: true,
        platform: "node",
        target: "node20",
        write: false,
        logLevel: "silent",
    });
    writeFileSync(join(cluster.directory, "control-plane/network-policy.js"), result.outputFiles[0].contents);
}
