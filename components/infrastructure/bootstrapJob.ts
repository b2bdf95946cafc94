import type { types } from "@pulumi/kubernetes";
import { CronJob, Job } from "@pulumi/kubernetes/batch/v1";
import { ConfigMap } from "@pulumi/kubernetes/core/v1";
import * as pulumi from "@pulumi/pulumi";

import { restrictedPod } from "../core/pod";
import { scopedServiceAccount } from "../core/serviceAccount";
import { serviceAccountToken } from "../core/serviceAccountToken";

/** A certificate that the `bootstrap` image makes and renews. */
export interface BootstrapCertificate {
    secretName: string;
    dnsNames: pulumi.Input<pulumi.Input<string>[]>;
    validity: string;
    renewBefore: string;
    /** Secret that holds the CA which signs; made as well if it is missing. */
    issuerSecretName: string;
}

/** What a bootstrap run makes. */
export interface BootstrapJobArgs {
    namespace: pulumi.Input<string>;
    image: pulumi.Input<string>;
    labels: Record<string, string>;
    certificates: BootstrapCertificate[];
}

const SPEC_DIRECTORY = "/etc/bootstrap";

/**
 * Makes the Secrets of `certificates` by a Job inside the cluster, and a daily CronJob that renews them, as children of
 * `parent`. The Secrets belong to the Job's service account: they go when it goes.
 *
 * @returns the Job, which is complete once the Secrets exist
 */
export function bootstrapJob(
    parent: pulumi.ComponentResource,
    name: string,
    { namespace, image, labels, certificates }: BootstrapJobArgs,
): Job {
    const secretNames = certificates.flatMap(({ secretName, issuerSecretName }) => [secretName, issuerSecretName]);
    const account = scopedServiceAccount(parent, name, {
        namespace,
        labels,
        rules: [
            // A name cannot be demanded of what does not exist yet.
            { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
            {
                apiGroups: [""],
                resources: ["secrets"],
                resourceNames: [...new Set(secretNames)],
                verbs: ["get", "update"],
            },
            { apiGroups: [""], resources: ["serviceaccounts"], resourceNames: [name], verbs: ["get"] },
        ],
    });
    const spec = { owner: { apiVersion: "v1", kind: "ServiceAccount", name }, certificates };
    const config = new ConfigMap(
        name,
        {
            metadata: { namespace, labels },
            immutable: true,
            data: { "spec.json": pulumi.jsonStringify(spec) },
        },
        { parent },
    );

    const job: types.input.batch.v1.JobSpec = {
        backoffLimit: 5,
        activeDeadlineSeconds: 300,
        template: { metadata: { labels }, spec: pod(account.name, image, config.metadata.name) },
    };
    new CronJob(
        name,
        {
            metadata: { namespace, labels },
            spec: {
                schedule: "17 3 * * *",
                concurrencyPolicy: "Forbid",
                startingDeadlineSeconds: 3600,
                successfulJobsHistoryLimit: 1,
                failedJobsHistoryLimit: 1,
                jobTemplate: { spec: job },
            },
        },
        { parent },
    );
    return new Job(name, { metadata: { namespace, labels }, spec: job }, { parent, dependsOn: account.binding });
}

function pod(account: pulumi.Input<string>, image: pulumi.Input<string>, configMap: pulumi.Input<string>) {
    const token = serviceAccountToken("token");
    return restrictedPod({
        serviceAccountName: account,
        restartPolicy: "OnFailure",
        containers: [
            {
                name: "bootstrap",
                image,
                resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { memory: "128Mi" } },
                volumeMounts: [token.mount, { name: "spec", mountPath: SPEC_DIRECTORY, readOnly: true }],
            },
        ],
        volumes: [token.volume, { name: "spec", configMap: { name: configMap } }],
    });
}
