import { readFileSync } from "node:fs";
import { join } from "node:path";

import { stringify } from "yaml";

import { writeWhole } from "../../lib/files";
import { Authority, CertificateFiles, serviceAccountKeys } from "./certificates";
import { ClusterLayout, network } from "./layout";

/** Every key, certificate and kubeconfig of a cluster. */
export interface Credentials {
    /** Authority of the API, its clients and the kubelets. */
    cluster: CertificateFiles;
    /** Authority of etcd alone, so that no client of the API is a client of etcd. */
    etcd: CertificateFiles;
    /** Authority of the API server's calls to API extensions. */
    frontProxy: CertificateFiles;
    apiServer: CertificateFiles;
    apiToKubelet: CertificateFiles;
    apiToEtcd: CertificateFiles;
    apiToExtensions: CertificateFiles;
    etcdServer: CertificateFiles;
    serviceAccounts: { privateKey: string; publicKey: string };
    /** Serving certificate of each kubelet, by node name. */
    kubelets: Map<string, CertificateFiles>;
    /** Path of a component's kubeconfig. */
    kubeconfig(component: Component | `kubelet-${string}`): string;
}

/** Components that are clients of the API, with the user (and group) that Kubernetes' own roles expect. */
const components = {
    "controller-manager": { commonName: "system:kube-controller-manager" },
    scheduler: { commonName: "system:kube-scheduler" },
    proxy: { commonName: "system:kube-proxy" },
    "network-policy": { commonName: "distributed-patterns:network-policy" },
    "volume-provisioner": { commonName: "distributed-patterns:volume-provisioner" },
} as const;

type Component = keyof typeof components;

/** Makes what is missing and returns where everything is. */
export async function makeCredentials(cluster: ClusterLayout): Promise<Credentials> {
    const directory = join(cluster.directory, "credentials");
    const [authority, etcd, frontProxy] = await Promise.all([
        Authority.open(directory, "cluster-ca"),
        Authority.open(directory, "etcd-ca"),
        Authority.open(directory, "front-proxy-ca"),
    ]);
    const server = `https://${cluster.nodes[0].address}:${network.apiPort}`;
    const writeKubeconfig = (file: string, user: string, client: CertificateFiles) =>
        writeWhole(file, kubeconfigOf(cluster.context, server, authority.files.certificate, user, client), 0o600);

    const fileOf = (component: string) => join(directory, `${component}.kubeconfig`);
    for (const [component, subject] of Object.entries(components)) {
        writeKubeconfig(fileOf(component), component, await authority.issue(component, subject));
    }
    const kubelets = new Map<string, CertificateFiles>();
    for (const node of cluster.nodes) {
        const files = await authority.issue(`kubelet-${node.name}`, {
            commonName: `system:node:${node.name}`,
            organization: "system:nodes",
            server: { dns: [node.name], ip: [node.address] },
        });
        kubelets.set(node.name, files);
        writeKubeconfig(fileOf(`kubelet-${node.name}`), node.name, files);
    }
    const admin = await authority.issue("admin", { commonName: "admin", organization: "system:masters" });
    writeKubeconfig(cluster.kubeconfig, "admin", admin);

    const service = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        `kubernetes.default.svc.${network.domain}`,
    ];
    return {
        cluster: authority.files,
        etcd: etcd.files,
        frontProxy: frontProxy.files,
        apiServer: await authority.issue("api-server", {
            commonName: "kube-apiserver",
            server: { dns: ["localhost", ...service], ip: ["127.0.0.1", network.apiService, cluster.nodes[0].address] },
        }),
        apiToKubelet: await authority.issue("api-to-kubelet", { commonName: "kube-apiserver-kubelet-client" }),
        apiToEtcd: await etcd.issue("api-to-etcd", { commonName: "kube-apiserver" }),
        apiToExtensions: await frontProxy.issue("front-proxy-client", { commonName: "front-proxy-client" }),
        etcdServer: await etcd.issue("etcd-server", {
            commonName: "etcd",
            server: { dns: ["localhost"], ip: ["127.0.0.1"] },
        }),
        serviceAccounts: await serviceAccountKeys(directory),
        kubelets,
        kubeconfig: fileOf,
    };
}

function kubeconfigOf(
    context: string,
    server: string,
    authority: string,
    user: string,
    client: CertificateFiles,
): string {
    const data = (file: string) => readFileSync(file).toString("base64");
    return stringify({
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name: context, cluster: { server, "certificate-authority-data": data(authority) } }],
        users: [
            {
                name: user,
                user: { "client-certificate-data": data(client.certificate), "client-key-data": data(client.key) },
            },
        ],
        contexts: [{ name: context, context: { cluster: context, user } }],
        "current-context": context,
    });
}
