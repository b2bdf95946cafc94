import { ensureRegistry, startReadOnlyReplica, stopReadOnlyReplica } from "../../images/registry";
import { ensureMirror } from "../../mirror/mirror";
import { ClusterSupplies } from "./localCluster";
import { network } from "./layout";
import { PAUSE_IMAGE } from "./node";

/** Images of the cluster's own pods, by the binary that each is made around. */
const SYSTEM_IMAGES: Record<string, string> = {
    pause: PAUSE_IMAGE,
    coredns: "registry.k8s.io/coredns/coredns:v1.15.0",
    "metrics-server": "registry.k8s.io/metrics-server/metrics-server:v0.9.0",
};

/** The local registry as the cluster's source of images. */
export const registrySupplies: ClusterSupplies = {
    async prepareImages(binaries) {
        await ensureRegistry();
        for (const [binary, image] of Object.entries(SYSTEM_IMAGES)) await ensureMirror(image, binaries.get(binary)!);
    },
    async serveRegistry(address, cluster) {
        await startReadOnlyReplica(`${address}:${network.registryPort}`, cluster.name);
    },
    async stopRegistry(cluster) {
        await stopReadOnlyReplica(cluster.name);
    },
};
