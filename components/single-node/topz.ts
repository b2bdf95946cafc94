import * as pulumi from "@pulumi/pulumi";

import { appContainer } from "../core/appContainer";
import { DisruptionBudgetArgs, SpreadArgs } from "../core/availability";
import { NetworkPolicyArgs } from "../core/networkPolicy";
import { Container, nativeSidecar, PodSpec, restrictedPod } from "../core/pod";
import { addToPod, PodAddition } from "../core/podAddition";
import { httpGet, liveness, readiness } from "../core/probes";
import { ENDPOINT_LAG_SECONDS, replicaSettings, replicatedPods } from "../core/replicatedPods";
import { ResourceArgs, resourcesOf } from "../core/resources";
import { refuse, requireDuration, requireImage, requirePort, requireWholeNumber, whenKnown } from "../core/validate";

/** What `addTopzSidecar` needs to know. */
export interface AddTopzSidecarArgs {
    /** Image `topz`, by digest. */
    topzImage: pulumi.Input<string>;
    /** Port of the process view, 1024 to 65535. Default: 8081. */
    topzPort?: number;
    /** Time between two samples, over which CPU use is averaged, from `250ms` to `5m`. Default: `2s`. */
    sampleInterval?: string;
    /** Resources of the sidecar. Default: requests of `10m` and `64Mi`, a limit of `128Mi`. */
    topzResources?: ResourceArgs;
}

/**
 * The pod with a process view: a native sidecar that serves `GET /topz` for all processes of the pod, which must share
 * its process namespace. Fits the pod of a Deployment, a StatefulSet or a Job; the given spec is left as it is.
 *
 * @throws pulumi.RunError when the process namespace is not shared, an argument is not allowed, or the pod already
 *     uses a name or port of the sidecar
 */
export function addTopzSidecar<P extends PodSpec>(podSpec: P, args: AddTopzSidecarArgs): P {
    const owner = "addTopzSidecar";
    const shareProcessNamespace = whenKnown(podSpec.shareProcessNamespace, (shared) =>
        requireSharedNamespace(owner, "podSpec.shareProcessNamespace", shared),
    );
    return addToPod(owner, { ...podSpec, shareProcessNamespace }, topzSidecar(owner, args));
}

function requireSharedNamespace(owner: string, argument: string, shared: boolean | undefined): void {
    if (shared !== true) refuse(owner, argument, shared, "true: without it the sidecar sees no process but its own");
}

function topzSidecar(owner: string, args: AddTopzSidecarArgs): PodAddition {
    const topzPort = requirePort(owner, "topzPort", args.topzPort ?? 8081);
    const sampleInterval = requireDuration(owner, "sampleInterval", args.sampleInterval ?? "2s", "250ms", "5m");
    const sidecar: Container = {
        name: "topz",
        image: whenKnown(args.topzImage, (image) => requireImage(owner, "topzImage", image)),
        env: [
            { name: "PORT", value: String(topzPort) },
            { name: "SAMPLE_INTERVAL", value: sampleInterval },
            // The application's own delay has already led traffic elsewhere when a sidecar is told to end.
            { name: "DRAIN_DELAY", value: "0s" },
        ],
        ports: [{ name: "topz", containerPort: topzPort }],
        resources: resourcesOf(owner, "topzResources", args.topzResources, {
            cpuRequest: "10m",
            memoryRequest: "64Mi",
            memoryLimit: "128Mi",
        }),
        livenessProbe: liveness(httpGet("/livez", topzPort)),
        readinessProbe: readiness(httpGet("/readyz", topzPort)),
    };
    return { sidecars: [nativeSidecar(sidecar)], ports: { topzPort } };
}

/** What runs beside the process view. */
export interface TopzSidecarArgs {
    /** Existing namespace for all objects. */
    namespace: pulumi.Input<string>;
    /** Image of the application. */
    image: pulumi.Input<string>;
    /** Image `topz`, by digest. */
    topzImage: pulumi.Input<string>;
    /** Whether the containers of a pod see each other's processes, without which there is nothing to show. Default: true. */
    shareProcessNamespace?: boolean;
    /** Port of the process view, 1024 to 65535. Default: 8081. */
    topzPort?: number;
    /** Time between two samples, over which CPU use is averaged, from `250ms` to `5m`. Default: `2s`. */
    sampleInterval?: string;
    /** Resources of the sidecar. Default: requests of `10m` and `64Mi`, a limit of `128Mi`. */
    topzResources?: ResourceArgs;
    /** Environment of the application; nothing secret. Default: none. */
    environment?: Record<string, pulumi.Input<string>>;
    /** Command inside the application's container that fails when it must be restarted. Default: it is never restarted. */
    livenessCommand?: string[];
    /** Identical copies behind the Service, 1 to 1000. Default: 1. */
    replicas?: number;
    /** Resources of the application. Default: requests of `50m` and `64Mi`, a limit of `128Mi`. */
    resources?: ResourceArgs;
    /** Disruptions that are allowed. Default: one pod at a time. */
    disruptionBudget?: DisruptionBudgetArgs;
    /** How copies are spread. Default: evenly over nodes, where possible. */
    spread?: SpreadArgs;
    /** Who may see the processes. Default: everyone, on the port of the process view only. */
    networkPolicy?: NetworkPolicyArgs;
    /** Whether Prometheus finds the metrics of process groups by the usual annotations. Default: true. */
    metrics?: boolean;
    /** Labels of all objects, beside the recommended ones. Default: none. */
    labels?: Record<string, string>;
    /** Time that the application has to finish its work when its pod ends, 1 to 3600 seconds. Default: 30. */
    drainSeconds?: number;
}

/** A process view beside any application (chapter 2): `GET /topz` lists the processes of the pod with CPU and memory. */
export class TopzSidecar extends pulumi.ComponentResource {
    /** In-cluster URL of the process view, `http://name.namespace.svc:port/topz`. */
    readonly endpoint: pulumi.Output<string>;
    /** Name of the Service. */
    readonly serviceName: pulumi.Output<string>;
    /** Port of the process view on the Service. */
    readonly port: pulumi.Output<number>;
    /** Labels that select the pods. */
    readonly selectorLabels: pulumi.Output<Record<string, string>>;
    /** Name of the Deployment, for what this component has no argument for. */
    readonly deploymentName: pulumi.Output<string>;

    constructor(name: string, args: TopzSidecarArgs, opts?: pulumi.ComponentResourceOptions) {
        super("distributed-patterns:index:TopzSidecar", name, args, opts);
        const { namespace, shareProcessNamespace = true } = args;
        requireSharedNamespace(name, "shareProcessNamespace", shareProcessNamespace);
        const settings = replicaSettings("topz", name, args, 1);
        const drainSeconds = requireWholeNumber(name, "drainSeconds", args.drainSeconds ?? 30, 1, 3600);
        const sidecar = topzSidecar(name, args);
        const pod = restrictedPod({
            shareProcessNamespace,
            terminationGracePeriodSeconds: ENDPOINT_LAG_SECONDS + drainSeconds,
            containers: [appContainer(name, args, ENDPOINT_LAG_SECONDS)],
        });

        const { topzPort } = sidecar.ports;
        const { deployment, service } = replicatedPods(this, name, {
            ...settings,
            namespace,
            podSpec: addToPod(name, pod, sidecar),
            servicePorts: [{ name: "topz", port: topzPort, targetPort: topzPort }],
            openPorts: [topzPort],
            metricsPort: topzPort,
        });

        this.serviceName = service.metadata.name;
        this.endpoint = pulumi.interpolate`http://${service.metadata.name}.${service.metadata.namespace}.svc:${topzPort}/topz`;
        this.port = pulumi.output(topzPort);
        this.selectorLabels = pulumi.output(settings.labels.selector);
        this.deploymentName = deployment.metadata.name;
        this.registerOutputs({
            endpoint: this.endpoint,
            serviceName: this.serviceName,
            port: this.port,
            selectorLabels: this.selectorLabels,
            deploymentName: this.deploymentName,
        });
    }
}
