import { Namespace } from "@pulumi/kubernetes/core/v1";
import { Provider } from "@pulumi/kubernetes/provider";
import * as pulumi from "@pulumi/pulumi";

import { refuse, requireDnsLabel } from "../components/core/validate";
import { StackConfig } from "./config";
import { ImageResolver, imageResolver } from "./images";

/** What a scenario is given to work with. */
export interface Context {
    readonly config: StackConfig;
    /** Namespace of the stack, which admits restricted pods only. */
    readonly namespace: pulumi.Output<string>;
    /** Options for the scenario's components: the stack's one provider. */
    readonly options: pulumi.ComponentResourceOptions;
    /** Registry that mirrors third-party images, if there is one. */
    readonly imageRegistry: string | undefined;
    /** kubectl with the stack's cluster, as the output `tryIt` calls it. */
    readonly kubectl: string;
    readonly image: ImageResolver;
}

/** A kubeconfig of no cluster: a preview with it asks none, also not the one that kubectl happens to point at. */
const NO_CLUSTER = JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [], contexts: [], users: [] });

/** Reads the stack's configuration and makes its provider and namespace. */
export async function createContext(): Promise<Context> {
    const config = new StackConfig();
    const name = requireDnsLabel("config", "namespace", config.text("namespace") ?? pulumi.getStack());
    const provider = new Provider("kubernetes", cluster(config));
    const namespace = new Namespace(
        "namespace",
        {
            metadata: {
                name,
                labels: {
                    "app.kubernetes.io/part-of": "distributed-patterns",
                    "pod-security.kubernetes.io/enforce": "restricted",
                    "pod-security.kubernetes.io/enforce-version": "latest",
                },
            },
        },
        { provider },
    );

    return {
        config,
        namespace: namespace.metadata.name,
        options: { providers: { kubernetes: provider } },
        imageRegistry: config.text("imageRegistry"),
        kubectl: kubectlCommand(config),
        image: await imageResolver(config),
    };
}

/** Arguments of the provider: the named context, or, in a preview only, no cluster at all. */
function cluster(config: StackConfig) {
    const context = config.text("context");
    if (context !== undefined) {
        // The context is the cluster's identity: renewed credentials in the kubeconfig replace nothing.
        return { context, kubeconfig: config.text("kubeconfig"), clusterIdentifier: context };
    }
    if (!pulumi.runtime.isDryRun()) {
        refuse("config", "context", context, "the kubeconfig context to deploy to: `pulumi config set context <name>`");
    }
    void pulumi.log.warn("no `context` is set: this preview looks at no cluster, and an update would be refused");
    return { kubeconfig: NO_CLUSTER, clusterIdentifier: "none" };
}

function kubectlCommand(config: StackConfig): string {
    const flags = (["kubeconfig", "context"] as const).flatMap((key) => {
        const value = config.text(key);
        return value === undefined ? [] : [`--${key}=${shellWord(value)}`];
    });
    return [config.text("kubectl") ?? "kubectl", ...flags].join(" ");
}

function shellWord(text: string): string {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
