import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIPv6 } from "node:net";

import { commonNameOf, LeafRequest, PemPair, pemBlocks, usageOids } from "./issue";

/**
 * Why the CA has to be made anew, or undefined.
 *
 * @param longestValidity milliseconds that the longest-lived certificate gets which it is to issue
 */
export function whyRenewAuthority(
    ca: PemPair | undefined,
    longestValidity: number,
    now = new Date(),
): string | undefined {
    if (!ca) return "there is none";
    const certificate = matching(ca);
    if (!certificate) return "its certificate and key cannot be read or do not belong together";
    if (!certificate.ca) return "its certificate is not that of a CA";
    const left = expiry(certificate) - now.getTime();
    if (left <= 0) return `it expired at ${certificate.validTo}`;
    if (left < longestValidity) return "a new certificate would outlive it";
    return undefined;
}

/**
 * Why the leaf has to be issued anew, or undefined.
 *
 * @param issuers the CA's bundle, PEM: a leaf of an older CA is good until it is due
 * @param issuerExpiry Unix time in milliseconds beyond which the CA cannot issue
 */
export function whyRenewLeaf(
    leaf: PemPair | undefined,
    request: LeafRequest & { renewBefore: number },
    issuers: string,
    issuerExpiry: number,
    now = new Date(),
): string | undefined {
    if (!leaf) return "there is none";
    const certificate = matching(leaf);
    if (!certificate) return "its certificate and key cannot be read or do not belong together";

    const [names, wanted] = [namesOf(certificate), wantedNames(request)];
    if (names !== wanted) return `its names are ${names || "none"} instead of ${wanted || "none"}`;
    const subject = /^CN=(.*)$/m.exec(certificate.subject ?? "")?.[1];
    if (subject !== commonNameOf(request)) return `its common name is ${subject ?? "none"}`;
    const usages = (oids: readonly string[]) => [...oids].sort().join(", ");
    if (usages(certificate.keyUsage ?? []) !== usages(request.usages.map((usage) => usageOids[usage]))) {
        return `its usages are not ${request.usages.join(", ")}`;
    }
    const issued = (ca: X509Certificate) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
    if (!certificatesOf(issuers).some(issued)) return "another CA issued it";

    const left = expiry(certificate) - now.getTime();
    // What ends with its CA cannot be had any longer from the same CA.
    if (left < request.renewBefore && expiry(certificate) < issuerExpiry) return `it expires at ${certificate.validTo}`;
    return undefined;
}

/** A CA's bundle after its renewal: the new CA, then the older ones whose certificates may still be in use. */
export function bundleOf(newest: string, older: string, now = new Date()): string {
    const alive = pemBlocks(older).filter((block) => expiryOf(block) > now.getTime());
    return [...new Set([...pemBlocks(newest), ...alive])].map((block) => `${block}\n`).join("");
}

/** End of validity of the first certificate, as Unix time in milliseconds; 0 when it cannot be read. */
export function expiryOf(pem: string): number {
    return expiry(certificatesOf(pem)[0]);
}

function matching({ certificate, key }: PemPair): X509Certificate | undefined {
    try {
        const parsed = new X509Certificate(certificate);
        return parsed.checkPrivateKey(createPrivateKey(key)) ? parsed : undefined;
    } catch {
        return undefined;
    }
}

function certificatesOf(pem: string): X509Certificate[] {
    return pemBlocks(pem).flatMap((block) => {
        try {
            return [new X509Certificate(block)];
        } catch {
            return [];
        }
    });
}

function expiry(certificate: X509Certificate | undefined): number {
    return certificate ? new Date(certificate.validTo).getTime() : 0;
}

function namesOf(certificate: X509Certificate): string {
    const names = (certificate.subjectAltName ?? "").split(", ").filter((name) => name !== "");
    return names
        .map((name) => canonical(name.replace(/^IP Address:/, "")))
        .sort()
        .join(", ");
}

function wantedNames({ dnsNames, ipAddresses }: LeafRequest): string {
    return [...dnsNames.map((name) => `DNS:${name}`), ...ipAddresses.map(canonical)].sort().join(", ");
}

/** IPv6 addresses have many spellings. */
function canonical(name: string): string {
    return isIPv6(name) ? new URL(`http://[${name}]`).hostname : name;
}
