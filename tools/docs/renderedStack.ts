/** A resource of a stack with all its inputs, as the program registered it. */
export interface RenderedResource {
    type: string;
    name: string;
    inputs: object;
}

/** The fields of containers that are drawn. */
export interface Container {
    name: string;
    restartPolicy?: string;
    ports?: { name?: string; containerPort: number }[];
    env?: { name: string; value?: string }[];
    volumeMounts?: { name: string; readOnly?: boolean }[];
}

export interface Volume {
    name: string;
    emptyDir?: { medium?: string; sizeLimit?: string };
    secret?: { secretName: string };
    configMap?: { name: string };
    projected?: { sources: { serviceAccountToken?: object }[] };
}

interface PodSpec {
    containers: Container[];
    initContainers?: Container[];
    volumes?: Volume[];
    serviceAccountName?: string;
    shareProcessNamespace?: boolean;
}

/** What runs pods. */
export interface Workload {
    /** Such as `Deployment`. */
    kind: string;
    name: string;
    replicas?: number;
    /** Of a CronJob, in its five fields. */
    schedule?: string;
    podLabels: Record<string, string>;
    annotations: Record<string, string>;
    pod: PodSpec;
}

export interface Service {
    metadata: { name: string };
    spec: { selector: Record<string, string>; ports: { port: number; targetPort: number | string }[] };
}

export interface NetworkPolicy {
    spec: {
        podSelector: { matchLabels: Record<string, string> };
        ingress: { ports: { port: number }[]; from?: object[] }[];
    };
}

export interface PodDisruptionBudget {
    spec: { maxUnavailable: number; selector: { matchLabels: Record<string, string> } };
}

interface Template {
    metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
    spec: PodSpec;
}

interface WorkloadSpec {
    replicas?: number;
    schedule?: string;
    template?: Template;
    jobTemplate?: { spec: { template: Template } };
}

/** A right of a service account over objects with a name. */
export interface Grant {
    /** Such as `secrets`. */
    resource: string;
    object: string;
    verbs: string[];
}

interface Rule {
    resources: string[];
    resourceNames?: string[];
    verbs: string[];
}

/** What a stack's resources say about each other, for drawing. */
export class RenderedStack {
    readonly workloads: Workload[];

    constructor(private readonly resources: readonly RenderedResource[]) {
        this.workloads = ["Deployment", "StatefulSet", "CronJob", "Job"].flatMap((kind) =>
            this.all<{ spec: WorkloadSpec }>(kind).map(({ name, inputs }) => workload(kind, name, inputs.spec)),
        );
    }

    /** Resources of a kind such as `Service`, by name. */
    all<T>(kind: string): { name: string; inputs: T }[] {
        return this.resources
            .filter(({ type }) => type.startsWith("kubernetes:") && type.endsWith(`:${kind}`))
            .map(({ name, inputs }) => ({ name, inputs: inputs as T }))
            .sort((one, other) => (one.name < other.name ? -1 : 1));
    }

    /** What the pods of a workload may do to objects that are named. */
    grants({ pod }: Workload): Grant[] {
        const roles = this.all<{
            roleRef: { name: string };
            subjects: { name: string }[];
        }>("RoleBinding")
            .filter(({ inputs }) => inputs.subjects.some(({ name }) => name === pod.serviceAccountName))
            .map(({ inputs }) => inputs.roleRef.name);
        const rules = this.all<{ metadata: { name: string }; rules: Rule[] }>("Role")
            .filter(({ inputs }) => roles.includes(inputs.metadata.name))
            .flatMap(({ inputs }) => inputs.rules);
        return rules.flatMap(({ resources: [resource], resourceNames = [], verbs }) => {
            // What is allowed for objects of any name is allowed for this one.
            const general = rules.filter((rule) => rule.resources.includes(resource) && !rule.resourceNames);
            const all = [...general.flatMap((rule) => rule.verbs), ...verbs];
            return resourceNames.map((object) => ({ resource, object, verbs: all }));
        });
    }
}

/** Whether a selector chooses pods with these labels. */
export function selects(selector: Record<string, string>, labels: Record<string, string>): boolean {
    return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function workload(kind: string, name: string, { replicas, schedule, ...spec }: WorkloadSpec): Workload {
    const { metadata = {}, spec: pod } = (spec.template ?? spec.jobTemplate?.spec.template)!;
    const { labels: podLabels = {}, annotations = {} } = metadata;
    return { kind, name, replicas, schedule, podLabels, annotations, pod };
}
