import { createHash, createPrivateKey, KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";

/** Why a certificate is not put into service. */
export const rejectionReasons = [
    "missing",
    "incomplete",
    "unparsable",
    "key_mismatch",
    "expired",
    "not_yet_valid",
    "unusable",
] as const;

export type RejectionReason = (typeof rejectionReasons)[number];

export class RejectedCertificate extends Error {
    /** @param validFrom when a certificate that is not valid yet becomes so */
    constructor(
        readonly reason: RejectionReason,
        message: string,
        readonly validFrom?: Date,
    ) {
        super(message);
        this.name = "RejectedCertificate";
    }
}

/** What a source found, in PEM; a part that is not there is undefined. */
export interface Material {
    certificate?: Buffer;
    key?: Buffer;
}

/** A certificate with its chain and the key that belongs to it. */
export interface KeyPair {
    /** Short hash of both files. */
    version: string;
    certificate: Buffer;
    key: Buffer;
    serial: string;
    notAfter: Date;
}

/** Names a content without revealing it: 16 hex digits of SHA-256. */
export function versionOf({ certificate, key }: Material): string {
    const hash = createHash("sha256");
    for (const part of [certificate, key]) hash.update(`${part?.length}:`).update(part ?? "");
    return hash.digest("hex").slice(0, 16);
}

/**
 * Checks that a server can use the certificate now. The leaf comes first; only its dates count, since a chain may carry
 * a cross-signed certificate that is out of date.
 *
 * @param material undefined when the source has nothing at all
 * @throws RejectedCertificate
 */
export function checkKeyPair(material: Material | undefined, now = new Date()): KeyPair {
    if (!material) throw new RejectedCertificate("missing", "the Secret does not exist");
    const { certificate, key } = material;
    if (!certificate?.length) throw new RejectedCertificate("incomplete", "tls.crt is missing or empty");
    if (!key?.length) throw new RejectedCertificate("incomplete", "tls.key is missing or empty");

    const leaf = parsed("tls.crt", () => chain(certificate)[0]);
    const privateKey = parsed("tls.key", () => createPrivateKey(key));
    checkDates(leaf, now);
    checkKey(leaf, privateKey);
    try {
        // nginx's OpenSSL refuses what is too weak for level 2, such as RSA below 2048 bits, at the handshake only.
        createSecureContext({ cert: certificate, key, ciphers: "DEFAULT@SECLEVEL=2" });
    } catch (error) {
        throw new RejectedCertificate("unusable", `TLS cannot use the certificate: ${(error as Error).message}`);
    }
    const notAfter = new Date(leaf.validTo);
    return { version: versionOf(material), certificate, key, serial: leaf.serialNumber, notAfter };
}

function chain(pem: Buffer): X509Certificate[] {
    const blocks = pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----/gs);
    if (!blocks) throw new Error("no CERTIFICATE block in PEM");
    return blocks.map((block) => new X509Certificate(block));
}

function parsed<T>(file: string, parse: () => T): T {
    try {
        return parse();
    } catch (error) {
        throw new RejectedCertificate("unparsable", `${file}: ${(error as Error).message}`);
    }
}

function checkDates(leaf: X509Certificate, now: Date): void {
    const [from, to] = [new Date(leaf.validFrom), new Date(leaf.validTo)];
    if (now > to) throw new RejectedCertificate("expired", `the certificate expired at ${to.toISOString()}`);
    if (now < from) {
        throw new RejectedCertificate("not_yet_valid", `the certificate is valid from ${from.toISOString()}`, from);
    }
}

function checkKey(leaf: X509Certificate, key: KeyObject): void {
    if (!leaf.checkPrivateKey(key)) {
        throw new RejectedCertificate("key_mismatch", "tls.key does not belong to the first certificate of tls.crt");
    }
}
