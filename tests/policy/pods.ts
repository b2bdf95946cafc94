/** The fields of pods that the checks read. A preview's objects have no more type than this. */
export interface PodSpec {
    containers?: Container[];
    initContainers?: Container[];
    ephemeralContainers?: Container[];
    volumes?: (Record<string, unknown> & { name: string })[];
    securityContext?: SecurityContext & { sysctls?: { name: string }[] };
    restartPolicy?: string;
    hostNetwork?: boolean;
    hostPID?: boolean;
    hostIPC?: boolean;
}

export interface Container {
    name: string;
    image?: string;
    restartPolicy?: string;
    ports?: { hostPort?: number }[];
    resources?: { requests?: Record<string, string>; limits?: Record<string, string> };
    securityContext?: SecurityContext;
    livenessProbe?: Probe;
    readinessProbe?: Probe;
    startupProbe?: Probe;
    lifecycle?: { preStop?: Probe; postStart?: Probe };
}

export interface Probe {
    httpGet?: { host?: string };
    tcpSocket?: { host?: string };
    exec?: object;
    grpc?: object;
}

export interface SecurityContext {
    runAsNonRoot?: boolean;
    runAsUser?: number;
    privileged?: boolean;
    allowPrivilegeEscalation?: boolean;
    readOnlyRootFilesystem?: boolean;
    procMount?: string;
    capabilities?: { add?: string[]; drop?: string[] };
    seccompProfile?: { type?: string };
    appArmorProfile?: { type?: string };
    seLinuxOptions?: { type?: string; user?: string; role?: string };
    windowsOptions?: { hostProcess?: boolean };
}

/** A pod as some object of the stack will make it. */
export interface PodTemplate {
    namespace?: string;
    labels: Record<string, string>;
    spec: PodSpec;
    /** Whether the pods serve until they are deleted, as those of a Job do not. */
    serves: boolean;
}

/** A resource of a stack, as a preview shows it. */
export interface StackResource {
    type: string;
    name: string;
    props: Record<string, any>;
}

const SERVING = /^kubernetes:(apps\/v1:(Deployment|StatefulSet|DaemonSet|ReplicaSet)|core\/v1:ReplicationController)$/;

/** The pods that a resource makes; undefined for one that makes none. */
export function podTemplateOf({ type, props }: Pick<StackResource, "type" | "props">): PodTemplate | undefined {
    const namespace = props.metadata?.namespace;
    const of = (template: Record<string, any> | undefined, serves: boolean) =>
        template?.spec && { namespace, labels: template.metadata?.labels ?? {}, spec: template.spec, serves };
    if (SERVING.test(type)) return of(props.spec?.template, true);
    if (type === "kubernetes:batch/v1:Job") return of(props.spec?.template, false);
    if (type === "kubernetes:batch/v1:CronJob") return of(props.spec?.jobTemplate?.spec?.template, false);
    if (type === "kubernetes:core/v1:Pod") return of(props, (props.spec?.restartPolicy ?? "Always") === "Always");
    return undefined;
}

/** Every container of a pod, in order of start. */
export function containersOf(spec: PodSpec): Container[] {
    return [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])];
}

/** The containers that run as long as their pod does: its own, and native sidecars. */
export function longRunningContainersOf(spec: PodSpec): Container[] {
    // Field by field: in a preview, a spread would touch fields that are not known yet, and no check would run.
    const sidecars = (spec.initContainers ?? []).filter((one) => one.restartPolicy === "Always");
    return [...sidecars, ...(spec.containers ?? [])];
}
