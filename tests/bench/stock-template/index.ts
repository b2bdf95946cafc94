// A program as Pulumi's TypeScript template starts one: type-checked at each run, the whole Kubernetes SDK imported.
// The benchmark writes the resources of the scenario beside it, so that both programs register the same ones.
import * as fs from "fs";
import * as path from "path";

import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

interface Planned {
    type: string;
    name: string;
    inputs: pulumi.Inputs;
}

type ResourceClass = new (
    name: string,
    args: pulumi.Inputs,
    opts: pulumi.CustomResourceOptions,
) => pulumi.CustomResource;
type Groups = Record<string, Record<string, Record<string, ResourceClass>>>;

const resources: Planned[] = JSON.parse(fs.readFileSync(path.join(__dirname, "resources.json"), "utf8"));

// No cluster, as in the scenario's own preview without one.
const kubeconfig = JSON.stringify({ apiVersion: "v1", kind: "Config", clusters: [], contexts: [], users: [] });
const provider = new k8s.Provider("kubernetes", { kubeconfig, clusterIdentifier: "none" });

for (const { type, name, inputs } of resources) {
    const kubernetes = /^kubernetes:(\w+)[^/]*\/(\w+):(\w+)$/.exec(type);
    if (kubernetes) {
        const [, group, version, kind] = kubernetes;
        new (k8s as unknown as Groups)[group][version][kind](name, inputs, { provider });
    } else {
        new pulumi.ComponentResource(type, name, inputs);
    }
}

export const count = resources.length;
