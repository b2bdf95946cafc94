import type { types } from "@pulumi/kubernetes";

export type PodSpec = types.input.core.v1.PodSpec;
export type Volume = types.input.core.v1.Volume;
type SecurityContext = types.input.core.v1.SecurityContext;

/** A container whose security context can be completed, because it is plain. */
export interface Container extends types.input.core.v1.Container {
    securityContext?: SecurityContext;
}

/** Numeric user and group of every container of ours: no name to look up, never root. */
const UNPRIVILEGED = 65532;

const identity = {
    runAsNonRoot: true,
    runAsUser: UNPRIVILEGED,
    runAsGroup: UNPRIVILEGED,
    seccompProfile: { type: "RuntimeDefault" },
};

const confinement = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
};

/** What a pod of ours consists of. */
export interface RestrictedPodParts extends Omit<PodSpec, "containers" | "initContainers" | "securityContext"> {
    containers: Container[];
    initContainers?: Container[];
    /** Fields of the pod's security context to add or loosen. */
    securityContext?: types.input.core.v1.PodSecurityContext;
}

/**
 * A pod that Pod Security `restricted` admits.
 * What a container or the pod sets itself wins, so that a pattern can loosen one field and say why beside it.
 */
export function restrictedPod({ containers, initContainers, securityContext, ...rest }: RestrictedPodParts): PodSpec {
    return {
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        ...rest,
        securityContext: { ...identity, fsGroup: UNPRIVILEGED, ...securityContext },
        ...(initContainers && { initContainers: initContainers.map(confined) }),
        containers: containers.map(confined),
    };
}

function confined(container: Container): Container {
    return { ...container, securityContext: { ...confinement, ...container.securityContext } };
}

/**
 * A native sidecar: it starts before the containers of the pod and stops after them, also in a Job.
 * It carries its whole security context, so that it is restricted in a pod of any origin.
 */
export function nativeSidecar(container: Container): Container {
    return {
        ...container,
        restartPolicy: "Always",
        securityContext: { ...identity, ...confinement, ...container.securityContext },
    };
}
