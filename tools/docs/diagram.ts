import {
    Container,
    NetworkPolicy,
    PodDisruptionBudget,
    RenderedResource,
    RenderedStack,
    selects,
    Service,
    Volume,
    Workload,
} from "./renderedStack";

/** A connection that no resource states, such as one on localhost. */
export interface Link {
    /** Names of containers in one pod. */
    from: string;
    to: string;
    /** What passes; `$NAME` stands for that variable in the environment of a container of the pod. */
    label: string;
}

/**
 * A Mermaid flowchart of the resources of a stack: who reaches which container on which port, what the containers of a
 * pod share, and which objects they read and write.
 *
 * @throws Error when a link names a container or a variable that no pod has
 */
export function diagram(resources: readonly RenderedResource[], links: readonly Link[] = []): string {
    const stack = new RenderedStack(resources);
    const chart = new Chart();
    for (const workload of stack.workloads) drawPods(chart, stack, workload);
    for (const workload of stack.workloads) drawClients(chart, stack, workload);
    for (const link of links) drawLink(chart, stack, link);
    for (const workload of stack.workloads) drawObjects(chart, stack, workload);
    return chart.toString();
}

/** Nodes and arrows in the order in which they were first drawn. */
class Chart {
    private readonly nodes = new Set<string>();
    private readonly arrows = new Set<string>();

    /** Draws a node and returns its id. */
    node(kind: string, name: string, [open, close]: [string, string], ...lines: string[]): string {
        const id = idOf(kind, name);
        this.nodes.add(`${id}${open}"${lines.map(escape).join("<br/>")}"${close}`);
        return id;
    }

    /** Draws nodes within a frame. */
    frame(kind: string, name: string, title: string, draw: (inside: Chart) => void): void {
        const inside = new Chart();
        draw(inside);
        const lines = [...inside.nodes, ...inside.arrows].map((line) => `    ${line}`);
        this.nodes.add([`subgraph ${idOf(kind, name)}["${escape(title)}"]`, ...lines, "end"].join("\n"));
    }

    arrow(from: string, style: "-->" | "-.->", label: string, to: string): void {
        this.arrows.add(`${from} ${style}|"${escape(label)}"| ${to}`);
    }

    toString(): string {
        const lines = [...this.nodes, ...this.arrows].flatMap((part) => part.split("\n"));
        return ["flowchart LR", ...lines.map((line) => `    ${line}`)].join("\n");
    }
}

const BOX: [string, string] = ["[", "]"];
const ROUND: [string, string] = ["([", "])"];
const STORE: [string, string] = ["[(", ")]"];
const READING = ["get", "list", "watch"];

function drawPods(chart: Chart, stack: RenderedStack, workload: Workload): void {
    const { kind, name, pod, podLabels } = workload;
    const budget = stack
        .all<PodDisruptionBudget>("PodDisruptionBudget")
        .find(({ inputs }) => selects(inputs.spec.selector.matchLabels, podLabels));
    const title = [
        `${kind} ${name}`,
        ...(workload.replicas === undefined ? [] : [`replicas: ${workload.replicas}`]),
        ...(budget ? [`maxUnavailable: ${budget.inputs.spec.maxUnavailable}`] : []),
        ...(workload.schedule ? [`schedule: ${workload.schedule}`] : []),
        ...(pod.shareProcessNamespace ? ["shared process namespace"] : []),
    ].join(", ");
    const [only, ...others] = containersOf(workload);
    if (others.length === 0) {
        chart.node(kind, `${name} ${only.name}`, BOX, title, `container ${only.name}`);
        return;
    }
    chart.frame(kind, name, title, (inside) => {
        for (const container of containersOf(workload)) {
            const ports = (container.ports ?? []).map((port) => `${port.name ?? "port"} ${port.containerPort}`);
            inside.node(kind, `${name} ${container.name}`, BOX, container.name, role(workload, container), ...ports);
        }
        for (const volume of pod.volumes ?? []) drawSharedVolume(inside, workload, volume);
    });
}

function drawSharedVolume(chart: Chart, workload: Workload, { name, emptyDir }: Volume): void {
    const users = containersOf(workload).flatMap((container) =>
        (container.volumeMounts ?? []).filter((mount) => mount.name === name).map((mount) => ({ container, mount })),
    );
    if (!emptyDir || users.length < 2) return;
    const details = [...(emptyDir.medium === "Memory" ? ["in memory"] : []), emptyDir.sizeLimit].join(", ");
    const volume = chart.node("volume", `${workload.name} ${name}`, STORE, `emptyDir ${name}`, details);
    for (const { container, mount } of users) {
        if (mount.readOnly) chart.arrow(volume, "-->", "reads", containerId(workload, container));
        else chart.arrow(containerId(workload, container), "-->", "writes", volume);
    }
}

function drawClients(chart: Chart, stack: RenderedStack, workload: Workload): void {
    const { podLabels, annotations } = workload;
    const policies = stack
        .all<NetworkPolicy>("NetworkPolicy")
        .filter(({ inputs }) => selects(inputs.spec.podSelector.matchLabels, podLabels))
        .flatMap(({ inputs }) => inputs.spec.ingress);
    const admitted =
        policies.length === 0
            ? "no NetworkPolicy"
            : `NetworkPolicy admits ${policies.flatMap(({ ports }) => ports.map(({ port }) => port)).join(", ")}`;
    const who = policies.some(({ from }) => from) ? "chosen clients" : "any client";

    for (const { inputs } of stack.all<Service>("Service")) {
        if (!selects(inputs.spec.selector, podLabels)) continue;
        const name = inputs.metadata.name;
        const service = chart.node("Service", name, BOX, `Service ${name}`);
        chart.arrow(chart.node("clients", "", ROUND, who), "-->", admitted, service);
        for (const { port, targetPort } of inputs.spec.ports) {
            const target = containersOf(workload).find((container) => listensOn(container, targetPort));
            if (target) chart.arrow(service, "-->", `${port} → ${targetPort}`, containerId(workload, target));
        }
    }
    const scraped = annotations["prometheus.io/port"];
    const target = containersOf(workload).find((container) => listensOn(container, Number(scraped)));
    if (target) {
        const prometheus = chart.node("Prometheus", "", ROUND, "Prometheus");
        chart.arrow(prometheus, "-.->", `scrapes ${scraped}`, containerId(workload, target));
    }
}

function drawLink(chart: Chart, stack: RenderedStack, { from, to, label }: Link): void {
    const find = (workload: Workload, name: string) => containersOf(workload).find((each) => each.name === name);
    const workload = stack.workloads.find((each) => find(each, from) && find(each, to));
    if (!workload) throw new Error(`no pod has the containers ${from} and ${to}`);
    const text = label.replace(/\$([A-Z_]+)/g, (_, name: string) => {
        const values = containersOf(workload).flatMap(({ env = [] }) => env.filter((each) => each.name === name));
        if (values.length === 0) throw new Error(`no container of ${workload.name} has the variable ${name}`);
        return values[0].value!;
    });
    chart.arrow(containerId(workload, find(workload, from)!), "-->", text, containerId(workload, find(workload, to)!));
}

/** Secrets and ConfigMaps that containers have mounted, or reach through the API. */
function drawObjects(chart: Chart, stack: RenderedStack, workload: Workload): void {
    const { pod } = workload;
    const users = ({ name }: Volume) =>
        containersOf(workload).filter(({ volumeMounts = [] }) => volumeMounts.some((mount) => mount.name === name));
    const object = (kind: string, name: string) => chart.node(kind, name, STORE, `${kind} ${name}`);

    for (const volume of pod.volumes ?? []) {
        const mounted =
            (volume.secret && object("Secret", volume.secret.secretName)) ??
            (volume.configMap && object("ConfigMap", configMapName(stack, volume.configMap.name)));
        if (mounted) {
            for (const user of users(volume)) chart.arrow(mounted, "-->", "mounted", containerId(workload, user));
        }
    }
    const tokens = (pod.volumes ?? []).filter((volume) =>
        volume.projected?.sources.some(({ serviceAccountToken }) => serviceAccountToken),
    );
    for (const { resource, object: name, verbs } of stack.grants(workload)) {
        if (resource !== "secrets") continue;
        const secret = object("Secret", name);
        for (const user of tokens.flatMap(users)) {
            const id = containerId(workload, user);
            if (verbs.every((verb) => READING.includes(verb))) chart.arrow(secret, "-.->", verbs.join(", "), id);
            else chart.arrow(id, "-.->", verbs.join(", "), secret);
        }
    }
}

/** Name of a ConfigMap as the program has it; its name in the cluster is that with a random end. */
function configMapName(stack: RenderedStack, physical: string): string {
    const names = stack.all("ConfigMap").map(({ name }) => name);
    const own = names.filter((name) => physical === name || physical.startsWith(`${name}-`));
    return own.sort((one, other) => other.length - one.length)[0] ?? physical;
}

function containersOf({ pod }: Workload): Container[] {
    return [...(pod.initContainers ?? []), ...pod.containers];
}

function role({ pod }: Workload, container: Container): string {
    if (pod.containers.includes(container)) return "container";
    return container.restartPolicy === "Always" ? "native sidecar" : "init container";
}

function containerId({ kind, name }: Workload, container: Container): string {
    return idOf(kind, `${name} ${container.name}`);
}

function listensOn({ ports = [] }: Container, port: number | string): boolean {
    return ports.some(({ name, containerPort }) => port === containerPort || port === name);
}

function idOf(kind: string, name: string): string {
    return `${kind} ${name}`.trim().replace(/[^A-Za-z0-9]+/g, "_");
}

function escape(text: string): string {
    return text.replaceAll('"', "#quot;");
}
