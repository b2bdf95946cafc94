import { Container, containersOf, PodSpec, Probe, SecurityContext } from "./pods";

/** Volume types that Pod Security `restricted` admits. */
const VOLUMES = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const SECCOMP = ["RuntimeDefault", "Localhost"];
const SELINUX_TYPES = [undefined, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
const SYSCTLS = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/** What Pod Security `restricted` would refuse in a pod, and, beyond it, a root file system that can be written. */
export function podSecurityViolations(spec: PodSpec): string[] {
    return [
        ...podViolations(spec),
        ...contextViolations("the pod", spec.securityContext ?? {}),
        ...containersOf(spec).flatMap((container) => containerViolations(container, spec.securityContext ?? {})),
    ];
}

function podViolations(spec: PodSpec): string[] {
    const hostNamespaces = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((field) => spec[field]);
    const volumes = (spec.volumes ?? []).flatMap(({ name, ...source }) =>
        Object.keys(source)
            .filter((type) => source[type] && !VOLUMES.includes(type))
            .map((type) => `${type} ${name}`),
    );
    const sysctls = (spec.securityContext?.sysctls ?? []).filter(({ name }) => !SYSCTLS.includes(name));
    return [
        ...hostNamespaces.map((field) => `the pod sets ${field}`),
        ...volumes.map((volume) => `the pod has a volume of the type ${volume}`),
        ...sysctls.map(({ name }) => `the pod sets the sysctl ${name}`),
    ];
}

function containerViolations(container: Container, pod: SecurityContext): string[] {
    const own = container.securityContext ?? {};
    const { add = [], drop = [] } = own.capabilities ?? {};
    const seccomp = own.seccompProfile?.type ?? pod.seccompProfile?.type ?? "missing";
    const extra = add.filter((capability) => capability !== "NET_BIND_SERVICE");
    const wrong: [boolean, string][] = [
        [own.privileged === true, "is privileged"],
        [own.allowPrivilegeEscalation !== false, "does not set allowPrivilegeEscalation to false"],
        [(own.runAsNonRoot ?? pod.runAsNonRoot) !== true, "does not set runAsNonRoot to true"],
        [(own.runAsUser ?? pod.runAsUser) === 0, "runs as user 0"],
        [!drop.includes("ALL"), "does not drop ALL capabilities"],
        [extra.length > 0, `adds the capabilities ${extra.join(", ")}`],
        [!SECCOMP.includes(seccomp), `has the seccomp profile ${seccomp}`],
        [(own.procMount ?? "Default") !== "Default", `mounts proc as ${own.procMount}`],
        [(container.ports ?? []).some(({ hostPort }) => hostPort), "has a port on the host"],
        [
            handlersOf(container).some((handler) => handler.httpGet?.host || handler.tcpSocket?.host),
            "probes another host",
        ],
        [own.readOnlyRootFilesystem !== true, "does not set readOnlyRootFilesystem to true"],
    ];
    const place = `container ${container.name}`;
    return [...wrong.flatMap(([is, what]) => (is ? [`${place} ${what}`] : [])), ...contextViolations(place, own)];
}

/** Rules for what stands at the pod and at its containers alike. */
function contextViolations(place: string, context: SecurityContext): string[] {
    const { appArmorProfile, seLinuxOptions, windowsOptions } = context;
    const wrong: [boolean, string][] = [
        [appArmorProfile?.type === "Unconfined", "has no AppArmor profile"],
        [windowsOptions?.hostProcess === true, "is a Windows host process"],
        [!SELINUX_TYPES.includes(seLinuxOptions?.type), `has the SELinux type ${seLinuxOptions?.type}`],
        [Boolean(seLinuxOptions?.user || seLinuxOptions?.role), "sets a SELinux user or role"],
    ];
    return wrong.flatMap(([is, what]) => (is ? [`${place} ${what}`] : []));
}

function handlersOf(container: Container): Probe[] {
    const { livenessProbe, readinessProbe, startupProbe, lifecycle } = container;
    return [livenessProbe, readinessProbe, startupProbe, lifecycle?.preStop, lifecycle?.postStart].filter(
        (one) => one !== undefined,
    );
}
