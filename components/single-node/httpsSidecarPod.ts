import type { types } from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";

import { imageFromCatalog } from "../core/catalog";
import { Container, nativeSidecar, PodSpec, Volume } from "../core/pod";
import { addToPod, PodAddition } from "../core/podAddition";
import { httpGet, liveness, readiness, startup } from "../core/probes";
import { serviceAccountToken } from "../core/serviceAccountToken";
import { refuse, requireImage, requireOneOf, whenKnown } from "../core/validate";
import { HttpsProxyArgs, HttpsProxySettings, httpsProxySettings } from "./httpsProxy";

/** What `addHttpsSidecar` needs to know. */
export interface AddHttpsSidecarArgs {
    /** Image `certificate-agent`, by digest. */
    agentImage: pulumi.Input<string>;
    /** Secret of type `kubernetes.io/tls` in the pod's namespace. */
    secretName: pulumi.Input<string>;
    /** Image of nginx 1.25.1 or newer with the njs module. Default: that of the catalogue. */
    nginxImage?: pulumi.Input<string>;
    /** Port on which the application listens on localhost. Default: 8080. */
    port?: number;
    /**
     * How a changed Secret is noticed. `volume` mounts it into the agent, and the kubelet brings a change within 90 s.
     * `api` watches it, which takes a second, but the pod needs a service account that may get, list and watch it.
     * Default: `volume`.
     */
    watch?: "api" | "volume";
    /** ConfigMap whose key `ca.crt` holds the CAs of client certificates, in PEM. Needed unless `clientCertificate` is `off`. */
    clientCaConfigMap?: pulumi.Input<string>;
    /** How nginx serves. Default: as stated at each field. */
    proxy?: HttpsProxyArgs;
}

const RUN_DIRECTORY = "/run/https";
const SECRET_DIRECTORY = "/etc/https/certificate";
const CLIENT_CA_DIRECTORY = "/etc/https/client-ca";
const HEALTH = "/.well-known/https-sidecar";
/**
 * Sidecars are told to end only after the application has. nginx closes each connection after its next answer as soon
 * as this file exists, or a client's kept connection would outlive the application and its next request fail.
 */
const ANNOUNCE_END = ["/nodejs/bin/node", "-e", `require("fs").writeFileSync("${RUN_DIRECTORY}/draining", "")`];
// The agent's configuration keeps nginx in the foreground.
const NGINX = ["nginx", "-e", "stderr", "-c", `${RUN_DIRECTORY}/nginx.conf`];

/**
 * The pod with HTTPS in front of its application, which listens on localhost only: a native sidecar that keeps the
 * certificate current, and nginx, which serves it on the pod's address. Fits the pod of a Deployment, a StatefulSet or
 * a Job; the given spec is left as it is. Where clients must see no failure while pods are replaced, the application's
 * containers need a `preStop` sleep of some seconds, until traffic is led elsewhere.
 *
 * @throws pulumi.RunError when an argument is not allowed, or the pod already uses a name or port of the sidecar
 */
export function addHttpsSidecar<P extends PodSpec>(podSpec: P, args: AddHttpsSidecarArgs): P {
    const owner = "addHttpsSidecar";
    const settings = httpsProxySettings(owner, args.port, args.proxy);
    const watch = requireOneOf(owner, "watch", args.watch ?? "volume", ["api", "volume"]);
    if (watch === "api" && podSpec.serviceAccountName === undefined) {
        refuse(
            owner,
            "podSpec.serviceAccountName",
            undefined,
            "a service account that may get, list and watch the Secret",
        );
    }
    if (settings.clientCertificate !== "off" && args.clientCaConfigMap === undefined) {
        refuse(
            owner,
            "clientCaConfigMap",
            undefined,
            `the CAs of client certificates, which are ${settings.clientCertificate}`,
        );
    }
    const image = (argument: string, reference: pulumi.Input<string>) =>
        whenKnown(reference, (text) => requireImage(owner, argument, text));

    return addToPod(
        owner,
        podSpec,
        httpsSidecar(settings, {
            agentImage: image("agentImage", args.agentImage),
            nginxImage: image("nginxImage", args.nginxImage ?? imageFromCatalog("nginx")),
            secretName: args.secretName,
            watch,
            clientCaConfigMap: args.clientCaConfigMap,
        }),
    );
}

/** What the sidecar of checked settings is made of; each field as in `AddHttpsSidecarArgs`. */
export type HttpsSidecarParts = Required<Omit<AddHttpsSidecarArgs, "port" | "proxy" | "clientCaConfigMap">> &
    Pick<AddHttpsSidecarArgs, "clientCaConfigMap">;

/** The sidecar of checked settings. */
export function httpsSidecar(settings: HttpsProxySettings, parts: HttpsSidecarParts): PodAddition {
    const { ports, clientCertificate, environment } = settings;
    const run = { name: "https-run", mountPath: RUN_DIRECTORY };
    const clientCa = { name: "https-client-ca", mountPath: CLIENT_CA_DIRECTORY, readOnly: true };
    const secret = secretAccess(parts.watch, parts.secretName);
    const agent: Container = {
        name: "certificate-agent",
        image: parts.agentImage,
        env: variables({
            ...secret.env,
            ...environment,
            RUN_DIR: RUN_DIRECTORY,
            CLIENT_CA_FILE: `${CLIENT_CA_DIRECTORY}/ca.crt`,
            // Nothing has to be led away from the agent: it ends after nginx.
            DRAIN_DELAY: "0s",
        }),
        ports: [{ name: "https-metrics", containerPort: ports.agentPort }],
        resources: settings.agentResources,
        // No readiness probe: nginx serves what it has while the agent restarts.
        startupProbe: startup(httpGet("/readyz", ports.agentPort)),
        livenessProbe: liveness(httpGet("/livez", ports.agentPort)),
        lifecycle: { preStop: { exec: { command: ANNOUNCE_END } } },
        volumeMounts: [run, secret.mount],
    };

    const nginx: Container = {
        name: "nginx",
        image: parts.nginxImage,
        command: [...NGINX],
        ports: [
            { name: "https", containerPort: ports.httpsPort },
            { name: "http-redirect", containerPort: ports.httpPort },
        ],
        resources: settings.nginxResources,
        startupProbe: startup(httpGet(`${HEALTH}/livez`, ports.httpPort)),
        livenessProbe: liveness(httpGet(`${HEALTH}/livez`, ports.httpPort)),
        readinessProbe: readiness(httpGet(`${HEALTH}/readyz`, ports.httpPort)),
        volumeMounts: [
            { ...run, readOnly: true },
            { name: "https-tmp", mountPath: "/tmp" },
            ...(clientCertificate === "off" ? [] : [clientCa]),
        ],
    };

    const volumes: Volume[] = [
        // In memory, because it holds the private key.
        { name: "https-run", emptyDir: { medium: "Memory", sizeLimit: "4Mi" } },
        // Request bodies that do not fit nginx's buffers.
        { name: "https-tmp", emptyDir: { sizeLimit: "256Mi" } },
        secret.volume,
        ...(clientCertificate === "off" ? [] : [{ name: clientCa.name, configMap: { name: parts.clientCaConfigMap } }]),
    ];
    return {
        sidecars: [nativeSidecar(agent), nativeSidecar(nginx)],
        volumes,
        ports: Object.fromEntries(Object.entries(ports).map(([name, value]) => [`proxy.${name}`, value])),
    };
}

interface SecretAccess {
    env: Record<string, pulumi.Input<string>>;
    volume: Volume;
    mount: types.input.core.v1.VolumeMount;
}

/** How the agent, and no other container, gets at the Secret. */
function secretAccess(watch: string, secretName: pulumi.Input<string>): SecretAccess {
    if (watch === "api") {
        return { ...serviceAccountToken("https-token"), env: { SOURCE: "api", SECRET_NAME: secretName } };
    }
    return {
        env: { SOURCE: "volume", SECRET_DIR: SECRET_DIRECTORY },
        volume: { name: "https-certificate", secret: { secretName, defaultMode: 0o444 } },
        mount: { name: "https-certificate", mountPath: SECRET_DIRECTORY, readOnly: true },
    };
}

function variables(values: Record<string, pulumi.Input<string>>): types.input.core.v1.EnvVar[] {
    return Object.entries(values).map(([name, value]) => ({ name, value }));
}
