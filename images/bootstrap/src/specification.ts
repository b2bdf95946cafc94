import { readFileSync } from "node:fs";
import { isIP } from "node:net";

import { z } from "zod";

import { ConfigurationError } from "../../kit";
import { parseDuration } from "../../kit/units";

const secretName = z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/, "give the name of a Secret: lower-case letters, digits, - and .");

const dnsName = z
    .string()
    .max(253)
    .regex(
        /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
        "give a DNS name in lower case; a wildcard is the whole first label",
    );

/** Parsed to milliseconds. */
const span = (fallback: string) =>
    z
        .string()
        .default(fallback)
        .transform((text, context) => {
            const milliseconds = parseDuration(text);
            if (milliseconds) return milliseconds;
            context.addIssue({
                code: "custom",
                message: `is ${JSON.stringify(text)}; give a duration such as 90d or 12h`,
            });
            return z.NEVER;
        });

const certificate = z
    .strictObject({
        /** Secret of type kubernetes.io/tls that receives tls.crt, tls.key and ca.crt. */
        secretName,
        dnsNames: z.array(dnsName).default([]),
        ipAddresses: z.array(z.string().refine((text) => isIP(text) !== 0, "give an IP address")).default([]),
        /** Subject; clients look at the names above. Default: the first DNS name, where it fits. */
        commonName: z.string().min(1).max(64).optional(),
        /** Time from issue to expiry. */
        validity: span("90d"),
        /** Time before expiry from which a run renews. */
        renewBefore: span("30d"),
        /** Secret with the CA: tls.crt, tls.key and the bundle ca.crt. */
        issuerSecretName: secretName,
        usages: z
            .array(z.enum(["server auth", "client auth"]))
            .min(1)
            .default(["server auth"]),
    })
    .refine(({ dnsNames, ipAddresses, commonName }) => dnsNames.length + ipAddresses.length > 0 || commonName, {
        path: ["dnsNames"],
        message: "give dnsNames, ipAddresses or commonName",
    })
    .refine(({ validity, renewBefore }) => renewBefore < validity, {
        path: ["renewBefore"],
        message: "give less than validity, or every run would renew",
    });

const password = z.strictObject({
    secretName,
    keys: z
        .array(z.string().regex(/^[\w.-]{1,253}$/, "give a Secret's key: letters, digits, - _ and ."))
        .min(1)
        .default(["password"]),
    /** Letters and digits; 22 hold 128 bits of chance. */
    length: z.int().min(16).max(1024).default(32),
});

const specification = z
    .strictObject({
        certificates: z.array(certificate).default([]),
        passwords: z.array(password).default([]),
        /** Time from issue to expiry of a CA that is made here. */
        authorityValidity: span("3650d"),
        /** Deleting this object of the same namespace removes the certificates with it; passwords stay. */
        owner: z
            .strictObject({ apiVersion: z.string().min(1), kind: z.string().min(1), name: z.string().min(1) })
            .optional(),
    })
    .superRefine((spec, context) => {
        const taken = new Map<string, string>();
        const claim = (name: string, place: (string | number)[]) => {
            const other = taken.get(name);
            if (other) context.addIssue({ code: "custom", path: place, message: `"${name}" is also ${other}` });
            else taken.set(name, pathText(place));
        };
        spec.certificates.forEach((one, index) => claim(one.secretName, ["certificates", index, "secretName"]));
        spec.passwords.forEach((one, index) => claim(one.secretName, ["passwords", index, "secretName"]));
        spec.certificates.forEach((one, index) => {
            const other = taken.get(one.issuerSecretName);
            const place = ["certificates", index, "issuerSecretName"];
            if (other) {
                context.addIssue({
                    code: "custom",
                    path: place,
                    message: `"${one.issuerSecretName}" is also ${other}`,
                });
            }
            if (spec.authorityValidity >= 2 * one.validity) return;
            const message = `give at least twice the validity of ${pathText(["certificates", index])}`;
            context.addIssue({ code: "custom", path: ["authorityValidity"], message });
        });
    });

export type Specification = z.infer<typeof specification>;
export type CertificateRequest = z.infer<typeof certificate>;
export type PasswordRequest = z.infer<typeof password>;

/** @throws ConfigurationError with each problem: the file, the path in it, what is allowed */
export function readSpecification(file: string): Specification {
    let content: unknown;
    try {
        content = JSON.parse(readFileSync(file, "utf8"));
    } catch (error) {
        throw new ConfigurationError([`SPEC_FILE ${file}: ${(error as Error).message}`]);
    }
    return parseSpecification(content, `SPEC_FILE ${file}`);
}

/** @throws ConfigurationError with each problem, after `source` and the path in the specification */
export function parseSpecification(content: unknown, source: string): Specification {
    const result = specification.safeParse(content);
    if (result.success) return result.data;
    const problems = result.error.issues.map(
        ({ path, message }) => `${source}: ${pathText(path) || "the whole"}: ${message}`,
    );
    throw new ConfigurationError(problems);
}

function pathText(path: readonly PropertyKey[]): string {
    return path.reduce<string>(
        (text, part) =>
            typeof part === "number" ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part),
        "",
    );
}
