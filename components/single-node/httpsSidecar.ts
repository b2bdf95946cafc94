import { ConfigMap } from "@pulumi/kubernetes/core/v1";
import * as pulumi from "@pulumi/pulumi";

import { appContainer } from "../core/appContainer";
import { DisruptionBudgetArgs, SpreadArgs } from "../core/availability";
import { imageFromCatalog } from "../core/catalog";
import { NetworkPolicyArgs } from "../core/networkPolicy";
import { restrictedPod } from "../core/pod";
import { addToPod } from "../core/podAddition";
import { ENDPOINT_LAG_SECONDS, replicaSettings, replicatedPods } from "../core/replicatedPods";
import { ResourceArgs } from "../core/resources";
import { scopedServiceAccount } from "../core/serviceAccount";
import { refuse, requireImage, requireWholeNumber, whenKnown } from "../core/validate";
import { Certificate, CertificateIssuerArgs, requireOneSource } from "../infrastructure/certificate";
import { HttpsProxyArgs, httpsProxySettings } from "./httpsProxy";
import { httpsSidecar } from "./httpsSidecarPod";

/** Where the certificate comes from: exactly one of `existingSecret`, `issuer` and `bootstrapImage`. */
export interface HttpsTlsArgs {
    /** Secret of type `kubernetes.io/tls` that exists. */
    existingSecret?: pulumi.Input<string>;
    /** cert-manager issuer that signs and renews. */
    issuer?: CertificateIssuerArgs;
    /** Image `bootstrap`, by digest, which makes and renews a CA and a certificate inside the cluster. */
    bootstrapImage?: pulumi.Input<string>;
    /** Host names of the certificate, beside those of the Service inside the cluster. Default: none. */
    dnsNames?: string[];
    /** CAs of client certificates, in PEM. Needed unless `proxy.clientCertificate` is `off`, and refused then. */
    clientCa?: pulumi.Input<string>;
}

/** What runs behind HTTPS. */
export interface HttpsSidecarArgs {
    /** Existing namespace for all objects. */
    namespace: pulumi.Input<string>;
    /** Image of the application, which serves plain HTTP on localhost. */
    image: pulumi.Input<string>;
    /** Image `certificate-agent`, by digest. */
    agentImage: pulumi.Input<string>;
    /** Port on which the application listens on localhost. Default: 8080. */
    port?: number;
    /** Environment of the application; nothing secret. Default: none. */
    environment?: Record<string, pulumi.Input<string>>;
    /** Command inside the application's container that fails when it must be restarted. Default: it is never restarted. */
    livenessCommand?: string[];
    /** Where the certificate comes from; one source is needed. */
    tls?: HttpsTlsArgs;
    /** How nginx serves. Default: as stated at each field. */
    proxy?: HttpsProxyArgs;
    /** Registry that mirrors nginx. Default: the upstream registry. */
    imageRegistry?: string;
    /** Identical copies behind the Service, 1 to 1000. Default: 2. */
    replicas?: number;
    /** Resources of the application. Default: requests of `50m` and `64Mi`, a limit of `128Mi`. */
    resources?: ResourceArgs;
    /** Disruptions that are allowed. Default: one pod at a time. */
    disruptionBudget?: DisruptionBudgetArgs;
    /** How copies are spread. Default: evenly over nodes, where possible. */
    spread?: SpreadArgs;
    /** Who may connect. Default: everyone, to the ports of the sidecar only. */
    networkPolicy?: NetworkPolicyArgs;
    /** Whether Prometheus finds the certificate agent's metrics by the usual annotations. Default: true. */
    metrics?: boolean;
    /** Labels of all objects, beside the recommended ones. Default: none. */
    labels?: Record<string, string>;
    /** Time that the application has to finish requests when its pod ends, 1 to 3600 seconds. Default: 30. */
    drainSeconds?: number;
}

/**
 * HTTPS for a legacy service (chapter 2): the application stays as it is and is reachable on localhost only; a sidecar
 * holds the certificate and serves HTTPS on the pod's address. A renewed certificate is served within seconds, without
 * a restart.
 */
export class HttpsSidecar extends pulumi.ComponentResource {
    /** In-cluster URL, `https://name.namespace.svc`. */
    readonly endpoint: pulumi.Output<string>;
    /** Name of the Service; port 80 redirects to 443. */
    readonly serviceName: pulumi.Output<string>;
    /** Port for HTTPS on the Service. */
    readonly port: pulumi.Output<number>;
    /** Labels that select the pods. */
    readonly selectorLabels: pulumi.Output<Record<string, string>>;
    /** Secret that holds the certificate. */
    readonly secretName: pulumi.Output<string>;
    /** Name of the Deployment, for what this component has no argument for. */
    readonly deploymentName: pulumi.Output<string>;

    constructor(name: string, args: HttpsSidecarArgs, opts?: pulumi.ComponentResourceOptions) {
        super("distributed-patterns:index:HttpsSidecar", name, args, opts);
        const { namespace } = args;
        const { clientCa, dnsNames = [], ...source } = args.tls ?? {};
        const settings = replicaSettings("https-sidecar", name, args, 2);
        const labels = settings.labels.all;
        const drainSeconds = requireWholeNumber(name, "drainSeconds", args.drainSeconds ?? 30, 1, 3600);
        const app = appContainer(name, args, ENDPOINT_LAG_SECONDS);
        const proxy = httpsProxySettings(name, args.port, args.proxy);
        const agentImage = whenKnown(args.agentImage, (image) => requireImage(name, "agentImage", image));
        requireOneSource(name, "tls", source);
        checkClientCa(name, proxy.clientCertificate, clientCa);

        const certificate = new Certificate(
            `${name}-certificate`,
            {
                namespace,
                ...source,
                dnsNames: [...serviceNames(name, namespace), ...dnsNames],
                labels: args.labels,
            },
            { parent: this },
        );
        const secretName = certificate.secretName;
        const clientCas =
            clientCa === undefined
                ? undefined
                : new ConfigMap(
                      `${name}-client-ca`,
                      {
                          metadata: { namespace, labels },
                          immutable: true,
                          data: { "ca.crt": clientCa },
                      },
                      { parent: this },
                  );
        const account = scopedServiceAccount(this, name, {
            namespace,
            labels,
            rules: [
                {
                    apiGroups: [""],
                    resources: ["secrets"],
                    resourceNames: [secretName],
                    verbs: ["get", "list", "watch"],
                },
            ],
        });

        const pod = restrictedPod({
            serviceAccountName: account.name,
            terminationGracePeriodSeconds: ENDPOINT_LAG_SECONDS + drainSeconds,
            containers: [app],
        });
        const sidecar = httpsSidecar(proxy, {
            agentImage,
            nginxImage: imageFromCatalog("nginx", args.imageRegistry),
            secretName,
            watch: "api",
            clientCaConfigMap: clientCas?.metadata.name,
        });
        const { httpsPort, httpPort, agentPort } = proxy.ports;
        const { deployment, service } = replicatedPods(this, name, {
            ...settings,
            namespace,
            podSpec: addToPod(name, pod, sidecar),
            dependsOn: [account.binding],
            servicePorts: [
                { name: "https", port: 443, targetPort: httpsPort },
                { name: "http-redirect", port: 80, targetPort: httpPort },
            ],
            openPorts: [httpsPort, httpPort],
            metricsPort: agentPort,
        });

        this.serviceName = service.metadata.name;
        this.endpoint = pulumi.interpolate`https://${service.metadata.name}.${service.metadata.namespace}.svc`;
        this.port = pulumi.output(443);
        this.selectorLabels = pulumi.output(settings.labels.selector);
        this.secretName = secretName;
        this.deploymentName = deployment.metadata.name;
        this.registerOutputs({
            endpoint: this.endpoint,
            serviceName: this.serviceName,
            port: this.port,
            selectorLabels: this.selectorLabels,
            secretName: this.secretName,
            deploymentName: this.deploymentName,
        });
    }
}

function checkClientCa(name: string, mode: string, clientCa: unknown): void {
    if (mode !== "off" && clientCa === undefined) {
        refuse(name, "tls.clientCa", undefined, `the CAs of client certificates, which are ${mode}`);
    }
    if (mode === "off" && clientCa !== undefined) {
        refuse(name, "proxy.clientCertificate", mode, "`optional` or `required`, because `tls.clientCa` is set");
    }
}

function serviceNames(name: string, namespace: pulumi.Input<string>): pulumi.Input<string>[] {
    const inNamespace = pulumi.interpolate`${name}.${namespace}`;
    return [
        name,
        inNamespace,
        pulumi.interpolate`${inNamespace}.svc`,
        pulumi.interpolate`${inNamespace}.svc.cluster.local`,
    ];
}
