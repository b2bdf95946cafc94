import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, PeerCertificate } from "node:tls";

import { Authority, CertificateFiles, serviceAccountKeys, Subject } from "../../../tools/cluster/local/certificates";

const SERVER: Subject = {
    commonName: "api",
    server: { dns: ["kubernetes.default.svc"], ip: ["127.0.0.1", "10.96.0.1"] },
};
const CLIENT: Subject = { commonName: "admin", organization: "system:masters" };

describe("certificates of a local cluster", () => {
    let directory: string;

    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "certificates-"))));
    afterEach(() => rmSync(directory, { recursive: true }));

    const read = (files: CertificateFiles) => new X509Certificate(readFileSync(files.certificate));
    const pem = ({ certificate, key }: CertificateFiles) => ({
        cert: readFileSync(certificate),
        key: readFileSync(key),
    });

    /** Connects with TLS on both sides; resolves to what the server knows of the client. */
    async function handshake(
        authority: Authority,
        server: CertificateFiles,
        client: CertificateFiles | undefined,
        servername: string,
    ): Promise<PeerCertificate> {
        const ca = readFileSync(authority.files.certificate);
        const listener = createServer({ ...pem(server), ca, requestCert: true, rejectUnauthorized: true });
        listener.listen(0, "127.0.0.1");
        await once(listener, "listening");
        const { port } = listener.address() as AddressInfo;
        try {
            return await new Promise<PeerCertificate>((resolve, reject) => {
                listener.on("secureConnection", (socket) => resolve(socket.getPeerCertificate()));
                listener.on("tlsClientError", reject);
                const socket = connect({ port, host: "127.0.0.1", servername, ca, ...(client ? pem(client) : {}) });
                socket.on("error", reject).on("secureConnect", () => socket.end());
            });
        } finally {
            listener.close();
        }
    }

    it("serve and connect: each side accepts the other by the authority", async () => {
        const authority = await Authority.open(directory, "ca");
        const [server, client] = [await authority.issue("server", SERVER), await authority.issue("client", CLIENT)];
        const peer = await handshake(authority, server, client, "kubernetes.default.svc");
        // The user and group that Kubernetes reads.
        assert.equal(peer.subject.CN, "admin");
        assert.equal(peer.subject.O, "system:masters");
    });

    it("of another authority are refused, by either side", async () => {
        const [authority, other] = [await Authority.open(directory, "ca"), await Authority.open(directory, "other")];
        const [server, client] = [await authority.issue("server", SERVER), await authority.issue("client", CLIENT)];
        const foreign = await other.issue("foreign-client", CLIENT);
        const foreignServer = await other.issue("foreign-server", SERVER);
        const name = "kubernetes.default.svc";
        // The server verifies after the handshake, and then hangs up.
        await assert.rejects(handshake(authority, server, foreign, name), { code: "ECONNRESET" });
        await assert.rejects(handshake(authority, server, undefined, name), /peer did not return a certificate/);
        await assert.rejects(handshake(authority, foreignServer, client, name), /unable to verify/);
    });

    it("do for the names and addresses they are for, and no others", async () => {
        const authority = await Authority.open(directory, "ca");
        const [server, client] = [await authority.issue("server", SERVER), await authority.issue("client", CLIENT)];
        await assert.rejects(handshake(authority, server, client, "elsewhere"), {
            code: "ERR_TLS_CERT_ALTNAME_INVALID",
        });
        const certificate = read(server);
        assert.equal(certificate.checkIP("10.96.0.1"), "10.96.0.1");
        assert.equal(certificate.checkIP("10.96.0.2"), undefined);
    });

    it("of a client do not serve", async () => {
        const authority = await Authority.open(directory, "ca");
        const client = await authority.issue("client", CLIENT);
        const serverAuthentication = "1.3.6.1.5.5.7.3.1";
        assert.equal(read(client).keyUsage.includes(serverAuthentication), false);
        assert.equal(read(await authority.issue("server", SERVER)).keyUsage.includes(serverAuthentication), true);
        await assert.rejects(handshake(authority, client, client, "admin"), /unsuitable certificate purpose/);
    });

    it("are signed by the authority, and do not sign", async () => {
        const authority = await Authority.open(directory, "ca");
        const [ca, issued] = [read(authority.files), read(await authority.issue("client", CLIENT))];
        assert.ok(ca.ca);
        assert.ok(issued.checkIssued(ca) && issued.verify(ca.publicKey));
        assert.equal(issued.ca, false);
        assert.ok(Date.parse(issued.validFrom) < Date.now(), "valid at once");
        assert.ok(Date.parse(issued.validTo) > Date.now() + 365 * 86_400_000, "valid as long as a cluster may live");
    });

    it("are found again by the next command, of the authority and of what it issued", async () => {
        const first = await Authority.open(directory, "ca");
        const client = await first.issue("client", CLIENT);
        const before = [first.files, client].map(pem);
        const second = await Authority.open(directory, "ca");
        assert.deepEqual([second.files, await second.issue("client", CLIENT)].map(pem), before);
        // And it signs with the same key.
        assert.ok(read(await second.issue("another", CLIENT)).verify(read(first.files).publicKey));
    });

    it("are made anew when only the key was written", async () => {
        const authority = await Authority.open(directory, "ca");
        const { certificate, key } = await authority.issue("client", CLIENT);
        rmSync(certificate);
        const again = await authority.issue("client", CLIENT);
        assert.ok(read(again).checkPrivateKey(createPrivateKey(readFileSync(key))));
    });

    it("have keys that only their owner reads", async () => {
        const authority = await Authority.open(directory, "ca");
        const { privateKey } = await serviceAccountKeys(directory);
        for (const file of [authority.files.key, (await authority.issue("client", CLIENT)).key, privateKey])
            assert.equal(statSync(file).mode & 0o777, 0o600, file);
    });
});
