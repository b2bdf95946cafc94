import { randomInt } from "node:crypto";

import { ConfigurationError, Logger } from "../../kit";
import type { KubernetesClient } from "../../kit/kubernetes";
import { createAuthority, issueCertificate, PemPair } from "./issue";
import { bundleOf, expiryOf, whyRenewAuthority, whyRenewLeaf } from "./renewal";
import { Change, OwnerReference, Secrets } from "./secrets";
import type { CertificateRequest, PasswordRequest, Specification } from "./specification";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/**
 * Makes every Secret of the specification that is missing and renews the certificates that are due. Running it again
 * changes nothing; two runs at once end with one result.
 *
 * The service account needs, in the pod's namespace: `get`, `create` and `update` on `secrets` (`create` cannot be
 * limited by name, the others can be), and `get` on the owner's resource where there is an owner.
 */
export async function bootstrap(
    specification: Specification,
    client: KubernetesClient,
    log: Pick<Logger, "info" | "warn">,
): Promise<void> {
    const secrets = new Secrets(client, log);
    const { certificates, passwords } = specification;
    for (const password of passwords)
        await secrets.reconcile(password.secretName, (data) => missingPasswords(password, data));

    const owner = specification.owner && (await secrets.ownerReference(specification.owner));
    for (const issuerName of new Set(certificates.map(({ issuerSecretName }) => issuerSecretName))) {
        const issued = certificates.filter(({ issuerSecretName }) => issuerSecretName === issuerName);
        const longest = Math.max(...issued.map(({ validity }) => validity));
        const decide = (data?: Record<string, string>) =>
            authority(issuerName, specification.authorityValidity, longest, data);
        const issuer = await secrets.reconcile(issuerName, decide, owner);
        for (const request of issued) await issueTo(secrets, request, issuer, owner);
    }
}

async function missingPasswords(
    { keys, length }: PasswordRequest,
    data?: Record<string, string>,
): Promise<Change | undefined> {
    const missing = keys.filter((key) => !data?.[key]);
    if (data && missing.length === 0) return undefined;
    const made = Object.fromEntries(missing.map((key) => [key, newPassword(length)]));
    return { type: "Opaque", data: { ...data, ...made }, reason: `no ${missing.join(", ")}` };
}

function newPassword(length: number): string {
    return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}

async function authority(
    name: string,
    validity: number,
    longestValidity: number,
    data?: Record<string, string>,
): Promise<Change | undefined> {
    const reason = whyRenewAuthority(pairOf(data), longestValidity);
    if (!reason) return undefined;
    const { certificate, key } = await createAuthority(name, validity);
    const bundle = bundleOf(certificate, data?.["ca.crt"] ?? "");
    return { type: "kubernetes.io/tls", data: { "tls.crt": certificate, "tls.key": key, "ca.crt": bundle }, reason };
}

async function issueTo(
    secrets: Secrets,
    request: CertificateRequest,
    issuerData: Record<string, string>,
    owner?: OwnerReference,
): Promise<void> {
    const issuer = pairOf(issuerData);
    const problem = whyRenewAuthority(issuer, 0);
    if (!issuer || problem) {
        // Only one that was not made here comes to this point.
        throw new ConfigurationError([
            `Secret ${request.issuerSecretName} cannot issue: ${problem}; give it a CA in tls.crt and tls.key, or delete it`,
        ]);
    }
    const bundle = issuerData["ca.crt"] || issuer.certificate;
    const decide = async (data?: Record<string, string>): Promise<Change | undefined> => {
        const present = pairOf(data);
        const reason = whyRenewLeaf(present, request, bundle, expiryOf(issuer.certificate));
        // A renewed CA is made known before the first certificate of it comes.
        if (!reason && data?.["ca.crt"] === bundle) return undefined;
        const { certificate, key } = reason ? await issueCertificate(issuer, request) : present!;
        return {
            type: "kubernetes.io/tls",
            data: { ...data, "tls.crt": certificate, "tls.key": key, "ca.crt": bundle },
            reason: reason ?? "the CA's bundle changed",
        };
    };
    await secrets.reconcile(request.secretName, decide, owner);
}

function pairOf(data?: Record<string, string>): PemPair | undefined {
    return data?.["tls.crt"] && data["tls.key"] ? { certificate: data["tls.crt"], key: data["tls.key"] } : undefined;
}
