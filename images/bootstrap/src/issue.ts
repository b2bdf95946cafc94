import "reflect-metadata";

import { createPrivateKey, KeyObject, randomBytes, webcrypto } from "node:crypto";

import * as x509 from "@peculiar/x509";

x509.cryptoProvider.set(webcrypto);

const { subtle } = webcrypto;

/** What clients and servers with clocks that are behind still accept. */
const CLOCK_SKEW_MS = 5 * 60_000;

const P256 = { name: "ECDSA", namedCurve: "P-256" };

/** A certificate, leaf first, and its key, both in PEM. */
export interface PemPair {
    certificate: string;
    key: string;
}

export interface LeafRequest {
    dnsNames: readonly string[];
    ipAddresses: readonly string[];
    /** Default: the first DNS name, where it fits into 64 characters; else none. */
    commonName?: string;
    /** Milliseconds from issue to expiry; the issuer's expiry ends it earlier. */
    validity: number;
    usages: readonly ("server auth" | "client auth")[];
}

/** Object identifiers of the extended key usages. */
export const usageOids: Record<LeafRequest["usages"][number], string> = {
    "server auth": x509.ExtendedKeyUsage.serverAuth,
    "client auth": x509.ExtendedKeyUsage.clientAuth,
};

/** The common name that a certificate for `request` carries. */
export function commonNameOf({ commonName, dnsNames }: LeafRequest): string | undefined {
    return commonName ?? (dnsNames[0]?.length <= 64 ? dnsNames[0] : undefined);
}

/**
 * Makes a self-signed CA that may issue leaf certificates only.
 *
 * @param validity milliseconds from `now` to expiry
 */
export async function createAuthority(commonName: string, validity: number, now = new Date()): Promise<PemPair> {
    const keys = await subtle.generateKey(P256, true, ["sign", "verify"]);
    const serialNumber = newSerial();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        serialNumber,
        // Each CA has its own name, so that clients never mistake the old one of a bundle for the new one.
        name: subject(`${commonName.slice(0, 55)} ${serialNumber.slice(0, 8)}`),
        notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
        notAfter: new Date(now.getTime() + validity),
        signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
        keys,
        extensions: [
            new x509.BasicConstraintsExtension(true, 0, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
            await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        ],
    });
    return { certificate: pemOf(certificate), key: pemOfKey(keys.privateKey) };
}

/** Makes a key and a certificate for it, signed by `issuer` (any RSA, ECDSA or Ed25519 CA), followed by its chain. */
export async function issueCertificate(issuer: PemPair, request: LeafRequest, now = new Date()): Promise<PemPair> {
    const authorities = pemBlocks(issuer.certificate).map((block) => new x509.X509Certificate(block));
    const authority = authorities[0];
    const keys = await subtle.generateKey(P256, true, ["sign", "verify"]);
    const signing = await importSigningKey(createPrivateKey(issuer.key));
    const commonName = commonNameOf(request);
    const names = [
        ...request.dnsNames.map((value) => ({ type: "dns" as const, value })),
        ...request.ipAddresses.map((value) => ({ type: "ip" as const, value })),
    ];
    const leaf = await x509.X509CertificateGenerator.create({
        serialNumber: newSerial(),
        subject: commonName ? subject(commonName) : [],
        issuer: authority.subjectName,
        notBefore: new Date(now.getTime() - CLOCK_SKEW_MS),
        notAfter: new Date(Math.min(now.getTime() + request.validity, authority.notAfter.getTime())),
        ...signing,
        publicKey: keys.publicKey,
        extensions: [
            new x509.BasicConstraintsExtension(false, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            new x509.ExtendedKeyUsageExtension(request.usages.map((usage) => usageOids[usage])),
            // Critical when it is all that says whose certificate it is (RFC 5280, 4.2.1.6).
            ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names, !commonName)] : []),
            await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
            await authorityKeyIdentifier(authority),
        ],
    });
    const isRoot = (one: x509.X509Certificate) => one.subject === one.issuer;
    const chain = [leaf, ...authorities.filter((one) => !isRoot(one))];
    return { certificate: chain.map(pemOf).join(""), key: pemOfKey(keys.privateKey) };
}

/** The certificates of a PEM text, in their order. */
export function pemBlocks(text: string): string[] {
    return text.match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs) ?? [];
}

/** 127 random bits, positive and of constant length. */
function newSerial(): string {
    const bytes = randomBytes(16);
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    return bytes.toString("hex");
}

function subject(commonName: string): x509.JsonName {
    return [{ CN: [commonName] }];
}

async function authorityKeyIdentifier(authority: x509.X509Certificate): Promise<x509.Extension> {
    const own = authority.getExtension(x509.SubjectKeyIdentifierExtension);
    // As the CA states it: not every CA derives it from its key in the same way.
    return own
        ? new x509.AuthorityKeyIdentifierExtension(own.keyId)
        : x509.AuthorityKeyIdentifierExtension.create(authority.publicKey);
}

async function importSigningKey(key: KeyObject) {
    const curves: Record<string, [string, string]> = {
        prime256v1: ["P-256", "SHA-256"],
        secp384r1: ["P-384", "SHA-384"],
        secp521r1: ["P-521", "SHA-512"],
    };
    const [namedCurve, curveHash] = curves[key.asymmetricKeyDetails?.namedCurve ?? ""] ?? [];
    const algorithms: Record<string, { name: string; hash?: string; namedCurve?: string }> = {
        rsa: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
        ed25519: { name: "Ed25519" },
        ...(namedCurve && { ec: { name: "ECDSA", hash: curveHash, namedCurve } }),
    };
    const algorithm = algorithms[key.asymmetricKeyType ?? ""];
    if (!algorithm)
        throw new Error(`the CA's key is of type ${key.asymmetricKeyType}; RSA, P-256/384/521 and Ed25519 can sign`);
    const der = key.export({ type: "pkcs8", format: "der" });
    return {
        signingAlgorithm: algorithm,
        signingKey: await subtle.importKey("pkcs8", der, algorithm, false, ["sign"]),
    };
}

function pemOf(certificate: x509.X509Certificate): string {
    return `${certificate.toString("pem").trim()}\n`;
}

function pemOfKey(key: webcrypto.CryptoKey): string {
    return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }) as string;
}
