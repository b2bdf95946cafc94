import { CustomResource } from "@pulumi/kubernetes/apiextensions";
import * as pulumi from "@pulumi/pulumi";

import { labelsFor } from "../core/labels";
import {
    refuse,
    requireDnsLabel,
    requireDuration,
    requireHostName,
    requireImage,
    requireOneOf,
    secondsOf,
    whenKnown,
} from "../core/validate";
import { bootstrapJob } from "./bootstrapJob";

/** A cert-manager issuer that exists in the cluster. */
export interface CertificateIssuerArgs {
    /** Name of the issuer. */
    name: string;
    /** `Issuer`, in the certificate's namespace, or `ClusterIssuer`. Default: `Issuer`. */
    kind?: string;
}

/** Where a TLS Secret comes from: exactly one of `existingSecret`, `issuer` and `bootstrapImage`. */
export interface CertificateArgs {
    /** Existing namespace for all objects. */
    namespace: pulumi.Input<string>;
    /** Secret of type `kubernetes.io/tls` that exists and is used as it is. */
    existingSecret?: pulumi.Input<string>;
    /** cert-manager issuer that signs the certificate and renews it. */
    issuer?: CertificateIssuerArgs;
    /** Image `bootstrap`, by digest: makes a CA of its own and a certificate inside the cluster, and renews it. */
    bootstrapImage?: pulumi.Input<string>;
    /** Host names of the certificate. Needed with `issuer` and `bootstrapImage`. */
    dnsNames?: pulumi.Input<pulumi.Input<string>[]>;
    /** Name of the Secret to make. Default: the component's name. */
    secretName?: string;
    /** How long a certificate is valid, from `3d` to `1825d`. Default: `90d`. */
    validity?: string;
    /** How long before its end a certificate is renewed, at least `2d` and less than `validity`. Default: `30d`. */
    renewBefore?: string;
    /** Labels of all objects, beside the recommended ones. Default: none. */
    labels?: Record<string, string>;
}

/** A Secret with a certificate and its key: an existing one, one of cert-manager, or one made inside the cluster. */
export class Certificate extends pulumi.ComponentResource {
    /** Name of the Secret, known once the Secret exists or its making has begun. */
    readonly secretName: pulumi.Output<string>;

    constructor(name: string, args: CertificateArgs, opts?: pulumi.ComponentResourceOptions) {
        super("distributed-patterns:index:Certificate", name, args, opts);
        const labels = labelsFor("certificate", name, args.labels).all;
        requireOneSource(name, "args", args);
        const { namespace, existingSecret, issuer, bootstrapImage } = args;

        if (existingSecret !== undefined) {
            this.secretName = pulumi.output(existingSecret);
        } else {
            const request = checkedRequest(name, args);
            this.secretName = pulumi.output(request.secretName);
            if (issuer) {
                const kind = requireOneOf(name, "issuer.kind", issuer.kind ?? "Issuer", ["Issuer", "ClusterIssuer"]);
                this.order(name, { namespace, labels }, { ...request, issuerRef: { name: issuer.name, kind } });
            } else {
                const image = whenKnown(bootstrapImage!, (text) => requireImage(name, "bootstrapImage", text));
                const certificate = { ...request, issuerSecretName: `${request.secretName}-ca` };
                bootstrapJob(this, name, { namespace, image, labels, certificates: [certificate] });
            }
        }
        this.registerOutputs({ secretName: this.secretName });
    }

    /** Asks cert-manager, which leaves the Secret behind on deletion unless it runs with owner references enabled. */
    private order(name: string, metadata: object, request: Request & { issuerRef: object }): void {
        const { validity, renewBefore, ...spec } = request;
        new CustomResource(
            name,
            {
                apiVersion: "cert-manager.io/v1",
                kind: "Certificate",
                metadata,
                spec: { ...spec, duration: goDuration(validity), renewBefore: goDuration(renewBefore) },
            },
            { parent: this },
        );
    }
}

interface Request {
    secretName: string;
    dnsNames: pulumi.Input<pulumi.Input<string>[]>;
    validity: string;
    renewBefore: string;
}

type CertificateSource = Pick<CertificateArgs, "existingSecret" | "issuer" | "bootstrapImage">;

/** Refuses no source and more than one; `argument` is the one that holds them, for messages. */
export function requireOneSource(name: string, argument: string, source: CertificateSource): void {
    const known = ["existingSecret", "issuer", "bootstrapImage"] as const;
    const given = known.filter((key) => source[key] !== undefined);
    if (given.length !== 1)
        refuse(name, argument, given, `exactly one of ${known.map((key) => `\`${key}\``).join(", ")}`);
}

function checkedRequest(name: string, args: CertificateArgs): Request {
    const { validity = "90d", renewBefore = "30d", dnsNames } = args;
    // A CA of the bootstrap image lives 3650 days, and must outlive two certificates.
    requireDuration(name, "validity", validity, "3d", "1825d");
    // The bootstrap image looks once a day.
    requireDuration(name, "renewBefore", renewBefore, "2d", "1825d");
    if (secondsOf(renewBefore)! >= secondsOf(validity)!) {
        refuse(name, "renewBefore", renewBefore, `a time shorter than \`validity\`, ${validity}`);
    }
    if (dnsNames === undefined) refuse(name, "dnsNames", undefined, "the host names of the certificate");
    return {
        secretName: requireDnsLabel(name, "secretName", args.secretName ?? name),
        dnsNames: whenKnown(dnsNames, (names) => {
            if (names.length === 0) refuse(name, "dnsNames", names, "at least one host name");
            for (const host of names) requireHostName(name, "dnsNames", host);
        }),
        validity,
        renewBefore,
    };
}

/** cert-manager reads durations as Go writes them, which has no days. */
function goDuration(text: string): string {
    return `${secondsOf(text)}s`;
}
