import * as pulumi from "@pulumi/pulumi";

import { HttpsSidecar, HttpsTlsArgs } from "../components/single-node/httpsSidecar";
import type { Context } from "./context";
import type { ScenarioOutputs } from "./registry";

/** HTTPS for a legacy service: plain HTTP on localhost, nginx with a certificate in front of it, in the same pod. */
export function run(context: Context): ScenarioOutputs {
    const { config, image, imageRegistry, kubectl, namespace, options } = context;
    const legacy = new HttpsSidecar(
        "legacy",
        {
            namespace,
            image: image("legacy-service"),
            agentImage: image("certificate-agent"),
            livenessCommand: ["/nodejs/bin/node", "/app/server.js", "--probe=/livez"],
            imageRegistry,
            replicas: config.wholeNumber("replicas", 1, 100),
            tls: { ...certificateSource(context), clientCa: config.text("clientCa") },
            proxy: {
                minimumTls: config.oneOf("minimumTls", ["1.2", "1.3"]),
                clientCertificate: config.oneOf("clientCertificate", ["off", "optional", "required"]),
            },
        },
        options,
    );

    const forward = pulumi.interpolate`${kubectl} --namespace=${namespace} port-forward service/${legacy.serviceName} 8443:443`;
    const ask =
        "curl --silent --insecure --retry 20 --retry-connrefused --retry-delay 1 https://localhost:8443/headers";
    return {
        namespace,
        endpoints: { https: legacy.endpoint },
        tryIt: pulumi.interpolate`${forward} >/dev/null & ${ask}; kill $!`,
    };
}

/** The certificate that the configuration asks for, else one that is made in the cluster. */
function certificateSource({ config, image }: Context): HttpsTlsArgs {
    const existingSecret = config.text("certificateSecret");
    const issuer = config.text("certificateIssuer");
    if (existingSecret === undefined && issuer === undefined) return { bootstrapImage: image("bootstrap") };
    return { existingSecret, issuer: issuer === undefined ? undefined : { name: issuer, kind: "ClusterIssuer" } };
}
