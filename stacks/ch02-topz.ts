import * as pulumi from "@pulumi/pulumi";

import { TopzSidecar } from "../components/single-node/topz";
import type { Context } from "./context";
import type { ScenarioOutputs } from "./registry";

/** A process view beside any application: the sidecar sees its processes through the pod's shared PID namespace. */
export function run({ config, image, kubectl, namespace, options }: Context): ScenarioOutputs {
    const topz = new TopzSidecar(
        "topz",
        {
            namespace,
            image: image("legacy-service"),
            topzImage: image("topz"),
            livenessCommand: ["/nodejs/bin/node", "/app/server.js", "--probe=/livez"],
            replicas: config.wholeNumber("replicas", 1, 100),
        },
        options,
    );

    // Through the API server, so that nothing has to be forwarded; the port goes by its name.
    const service = pulumi.interpolate`/api/v1/namespaces/${namespace}/services/http:${topz.serviceName}:topz`;
    return {
        namespace,
        endpoints: { topz: topz.endpoint },
        tryIt: pulumi.interpolate`${kubectl} get --raw '${service}/proxy/topz?limit=5'`,
    };
}
