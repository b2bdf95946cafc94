import type { types } from "@pulumi/kubernetes";

import { Volume } from "./pod";

/** Where programs look for the token of their pod. */
const DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** What lets one container of a pod use the Kubernetes API, and no other one: the pod itself mounts no token. */
export function serviceAccountToken(volume: string): { volume: Volume; mount: types.input.core.v1.VolumeMount } {
    return {
        volume: {
            name: volume,
            projected: {
                sources: [
                    { serviceAccountToken: { path: "token", expirationSeconds: 3600 } },
                    { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
                    { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
                ],
            },
        },
        mount: { name: volume, mountPath: DIRECTORY, readOnly: true },
    };
}
