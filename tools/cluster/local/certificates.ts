import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as x509 from "@peculiar/x509";

import { writeWhole } from "../../lib/files";

x509.cryptoProvider.set(webcrypto as never);

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** The clusters are thrown away long before. */
const DAYS = 3650;

/** A certificate and its key, as files in PEM. */
export interface CertificateFiles {
    certificate: string;
    key: string;
}

/** What a certificate is for. */
export interface Subject {
    commonName: string;
    /** Group of a client, in Kubernetes' reading. */
    organization?: string;
    /** Names and addresses of a server; a client has none. */
    server?: { dns: string[]; ip: string[] };
}

/** A certificate authority that lives in a directory and issues certificates beside it. */
export class Authority {
    private constructor(
        private readonly directory: string,
        readonly files: CertificateFiles,
        private readonly certificate: x509.X509Certificate,
        private readonly key: webcrypto.CryptoKey,
    ) {}

    /** Opens the authority of this name, or makes it. */
    static async open(directory: string, name: string): Promise<Authority> {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        const files = filesOf(directory, name);
        if (!existsSync(files.certificate)) {
            const keys = await newKeys();
            const certificate = await x509.X509CertificateGenerator.createSelfSigned({
                ...validity(),
                name: `CN=${name}`,
                keys,
                signingAlgorithm: ALGORITHM,
                extensions: [
                    new x509.BasicConstraintsExtension(true, undefined, true),
                    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
                    await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
                ],
            });
            await write(files, certificate, keys.privateKey);
        }
        const der = x509.PemConverter.decodeFirst(readFileSync(files.key, "utf8"));
        const key = await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]);
        return new Authority(directory, files, new x509.X509Certificate(readFileSync(files.certificate, "utf8")), key);
    }

    /** The certificate of this name, issued if it is not there yet. */
    async issue(name: string, subject: Subject): Promise<CertificateFiles> {
        const files = filesOf(this.directory, name);
        if (existsSync(files.certificate)) return files;
        const keys = await newKeys();
        const alternatives = [
            ...(subject.server?.dns ?? []).map((value) => ({ type: "dns" as const, value })),
            ...(subject.server?.ip ?? []).map((value) => ({ type: "ip" as const, value })),
        ];
        const certificate = await x509.X509CertificateGenerator.create({
            ...validity(),
            subject: [...(subject.organization ? [{ O: [subject.organization] }] : []), { CN: [subject.commonName] }],
            issuer: this.certificate.subject,
            publicKey: keys.publicKey,
            signingKey: this.key,
            signingAlgorithm: ALGORITHM,
            extensions: [
                new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
                new x509.ExtendedKeyUsageExtension([
                    x509.ExtendedKeyUsage.clientAuth,
                    ...(subject.server ? [x509.ExtendedKeyUsage.serverAuth] : []),
                ]),
                ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
                await x509.AuthorityKeyIdentifierExtension.create(this.certificate.publicKey),
            ],
        });
        await write(files, certificate, keys.privateKey);
        return files;
    }
}

/** The key pair that signs service-account tokens. */
export async function serviceAccountKeys(directory: string): Promise<{ privateKey: string; publicKey: string }> {
    const files = {
        privateKey: join(directory, "service-accounts.key"),
        publicKey: join(directory, "service-accounts.pub"),
    };
    if (!existsSync(files.publicKey)) {
        const keys = await newKeys();
        writeFileSync(files.privateKey, await pem(keys.privateKey, "pkcs8", "PRIVATE KEY"), { mode: 0o600 });
        writeWhole(files.publicKey, await pem(keys.publicKey, "spki", "PUBLIC KEY"));
    }
    return files;
}

function filesOf(directory: string, name: string): CertificateFiles {
    return { certificate: join(directory, `${name}.crt`), key: join(directory, `${name}.key`) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
    return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

function validity() {
    const now = Date.now();
    // An hour back, for clocks that are not quite together.
    return { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + DAYS * 86_400_000) };
}

/** Writes the certificate last, because it says that both are there. */
async function write(files: CertificateFiles, certificate: x509.X509Certificate, key: webcrypto.CryptoKey) {
    writeFileSync(files.key, await pem(key, "pkcs8", "PRIVATE KEY"), { mode: 0o600 });
    writeWhole(files.certificate, `${certificate.toString("pem")}\n`);
}

async function pem(key: webcrypto.CryptoKey, format: "pkcs8" | "spki", label: string): Promise<string> {
    return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey(format, key), label)}\n`;
}
