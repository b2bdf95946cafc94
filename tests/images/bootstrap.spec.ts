import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, TLSSocket } from "node:tls";

import { bootstrap } from "../../images/bootstrap/src/bootstrap";
import { createAuthority, issueCertificate, pemBlocks } from "../../images/bootstrap/src/issue";
import { MANAGED_BY } from "../../images/bootstrap/src/secrets";
import { parseSpecification } from "../../images/bootstrap/src/specification";
import type { Secret } from "../../images/kit/kubernetes";
import { run } from "../../tools/lib/process";
import { KubernetesApi } from "../support/kubernetesApi";
import { bundled, startProcess } from "./support/imageProcess";

const DAY = 86_400_000;

const webCertificate = {
    secretName: "web-tls",
    dnsNames: ["web.test.svc", "*.web.test.svc"],
    ipAddresses: ["127.0.0.1", "fd00:0::0010"],
    issuerSecretName: "ca",
    usages: ["server auth", "client auth"],
};

describe("bootstrap", () => {
    let api: KubernetesApi;
    let log: Record<string, unknown>[];

    beforeEach(async () => {
        api = await KubernetesApi.start();
        log = [];
    });

    afterEach(() => api.stop());

    async function bootstrapWith(specification: object): Promise<void> {
        const client = api.client();
        const write = (line: object, msg: string) => log.push({ ...line, msg });
        try {
            await bootstrap(parseSpecification(specification, "spec"), client, { info: write, warn: write } as never);
        } finally {
            await client.close();
        }
    }

    function dataOf(name: string): Record<string, string> {
        const { data = {} } = api.read<Secret>(`secrets/${name}`) ?? assert.fail(`there is no Secret ${name}`);
        return Object.fromEntries(
            Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64").toString()]),
        );
    }

    /** Puts a Secret as if an earlier run had made it. */
    function putOwn(name: string, data: Record<string, string>): void {
        const encoded = Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
        api.put(`secrets/${name}`, {
            metadata: { labels: MANAGED_BY },
            type: "kubernetes.io/tls",
            data: Object.fromEntries(encoded),
        });
    }

    const serialOf = (name: string) => new X509Certificate(dataOf(name)["tls.crt"]).serialNumber;
    const writes = () => api.requests.filter((request) => !request.startsWith("GET "));
    const reasonFor = (secret: string) => log.findLast((line) => line.secret === secret)?.reason;

    describe("certificates", () => {
        it("makes a CA and a certificate that OpenSSL accepts for every name and both purposes", async () => {
            await bootstrapWith({ certificates: [webCertificate] });
            const { "ca.crt": ca, "tls.crt": leaf } = dataOf("web-tls");
            const directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
            const [caFile, leafFile] = [join(directory, "ca.crt"), join(directory, "tls.crt")];
            writeFileSync(caFile, ca);
            writeFileSync(leafFile, leaf);
            const verify = (...args: string[]) =>
                run("openssl", ["verify", "-x509_strict", "-CAfile", caFile, ...args, leafFile]);
            for (const purpose of ["sslserver", "sslclient"]) await verify("-purpose", purpose);
            for (const name of ["web.test.svc", "a.web.test.svc"]) await verify("-verify_hostname", name);
            for (const ip of ["127.0.0.1", "fd00::10"]) await verify("-verify_ip", ip);
            await assert.rejects(verify("-verify_hostname", "other.test.svc"), /hostname mismatch/i);
            rmSync(directory, { recursive: true });

            const days = (new Date(new X509Certificate(leaf).validTo).getTime() - Date.now()) / DAY;
            assert.ok(Math.abs(days - 90) < 0.1, `valid for ${days} days`);
            assert.deepEqual(api.read("secrets/web-tls")?.metadata.labels, MANAGED_BY);
            assert.equal(api.read<Secret>("secrets/web-tls")?.type, "kubernetes.io/tls");
        });

        it("makes certificates with which a server and its client authenticate each other", async () => {
            await bootstrapWith({ certificates: [webCertificate] });
            const { "ca.crt": ca, "tls.crt": cert, "tls.key": key } = dataOf("web-tls");
            const options = { ca, cert, key, requestCert: true, rejectUnauthorized: true };
            const server = createServer(options, (socket) => socket.on("error", () => undefined).end());
            await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
            const { port } = server.address() as AddressInfo;
            const socket = await new Promise<TLSSocket>((resolve, reject) => {
                const client = connect({ ...options, port, host: "127.0.0.1" }, () => resolve(client)).on(
                    "error",
                    reject,
                );
            });
            assert.equal(socket.authorized, true);
            socket.destroy();
            await new Promise((resolve) => server.close(resolve));
        });

        it("changes nothing when it runs again", async () => {
            const specification = { certificates: [webCertificate], passwords: [{ secretName: "db" }] };
            await bootstrapWith(specification);
            const before = [dataOf("ca"), dataOf("web-tls"), dataOf("db")];
            assert.equal(writes().length, 3);
            await bootstrapWith(specification);
            assert.equal(writes().length, 3, "no further write");
            assert.deepEqual([dataOf("ca"), dataOf("web-tls"), dataOf("db")], before);
        });

        const changes: [string, object, RegExp][] = [
            ["its DNS names", { dnsNames: ["other.test.svc"] }, /names are .*web.test.svc.* instead of .*other/],
            ["its addresses", { ipAddresses: ["127.0.0.2"] }, /names are .*127\.0\.0\.1/],
            ["its common name", { commonName: "web" }, /common name is web.test.svc/],
            ["its usages", { usages: ["server auth"] }, /usages are not server auth/],
        ];
        for (const [what, change, reason] of changes) {
            it(`issues anew when ${what} changed`, async () => {
                await bootstrapWith({ certificates: [webCertificate] });
                const before = serialOf("web-tls");
                await bootstrapWith({ certificates: [{ ...webCertificate, ...change }] });
                assert.notEqual(serialOf("web-tls"), before);
                assert.match(String(reasonFor("web-tls")), reason);
            });
        }

        it("renews when less than renewBefore is left, and not before", async () => {
            await bootstrapWith({ certificates: [webCertificate] });
            const [ca, before] = [serialOf("ca"), serialOf("web-tls")];
            await bootstrapWith({ certificates: [{ ...webCertificate, renewBefore: "89d" }] });
            assert.equal(serialOf("web-tls"), before);
            const request = { ...webCertificate, usages: ["server auth", "client auth"] as const, validity: 29 * DAY };
            const { certificate, key } = await issueCertificate(
                { certificate: dataOf("ca")["tls.crt"], key: dataOf("ca")["tls.key"] },
                request,
            );
            putOwn("web-tls", { "tls.crt": certificate, "tls.key": key, "ca.crt": dataOf("ca")["ca.crt"] });
            await bootstrapWith({ certificates: [webCertificate] });
            assert.match(String(reasonFor("web-tls")), /it expires at/);
            assert.equal(serialOf("ca"), ca, "the CA stays");
        });

        it("issues anew when another CA issued it, or key and certificate do not belong together", async () => {
            await bootstrapWith({ certificates: [webCertificate] });
            api.delete("secrets/ca");
            await bootstrapWith({ certificates: [webCertificate] });
            assert.match(String(reasonFor("web-tls")), /another CA/);
            putOwn("web-tls", { ...dataOf("web-tls"), "tls.key": dataOf("ca")["tls.key"] });
            await bootstrapWith({ certificates: [webCertificate] });
            assert.match(String(reasonFor("web-tls")), /do not belong together/);
        });

        it("renews the CA with an overlap: the leaf stays, both CAs are in every bundle", async () => {
            const old = await createAuthority("ca", 80 * DAY);
            const leaf = await issueCertificate(old, {
                ...webCertificate,
                usages: ["server auth", "client auth"],
                validity: 70 * DAY,
            });
            putOwn("ca", { "tls.crt": old.certificate, "tls.key": old.key, "ca.crt": old.certificate });
            putOwn("web-tls", { "tls.crt": leaf.certificate, "tls.key": leaf.key, "ca.crt": old.certificate });
            await bootstrapWith({ certificates: [webCertificate] });

            assert.notEqual(dataOf("ca")["tls.crt"], old.certificate);
            assert.equal(dataOf("web-tls")["tls.crt"], leaf.certificate, "still good, so that nobody is cut off");
            const bundle = [dataOf("ca")["tls.crt"], old.certificate].map((pem) => pem.trim());
            assert.deepEqual(pemBlocks(dataOf("ca")["ca.crt"]), bundle);
            assert.deepEqual(pemBlocks(dataOf("web-tls")["ca.crt"]), bundle);

            // When the leaf is due, the new CA issues it, and the old bundle entry still stands.
            await bootstrapWith({ certificates: [{ ...webCertificate, renewBefore: "75d" }] });
            const [renewed, ca] = [dataOf("web-tls")["tls.crt"], dataOf("ca")["tls.crt"]].map(
                (pem) => new X509Certificate(pem),
            );
            assert.ok(renewed.verify(ca.publicKey));
        });

        it("leaves an expired CA out of the bundle and replaces what it issued", async () => {
            const old = await createAuthority("ca", DAY, new Date(Date.now() - 2 * DAY));
            putOwn("ca", { "tls.crt": old.certificate, "tls.key": old.key, "ca.crt": old.certificate });
            await bootstrapWith({ certificates: [webCertificate] });
            assert.equal(pemBlocks(dataOf("web-tls")["ca.crt"]).length, 1);
            assert.match(String(reasonFor("ca")), /expired/);
        });

        it("issues from a CA of others, with its intermediate in the chain, and leaves that CA as it is", async () => {
            const directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
            const openssl = (...args: string[]) => run("openssl", args, { cwd: directory });
            const constraints = "basicConstraints=critical,CA:TRUE";
            await openssl(
                ..."req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -days 400 -subj /O=Root".split(
                    " ",
                ),
            );
            await openssl(
                ..."req -newkey rsa:2048 -nodes -keyout sub.key -out sub.csr -subj /O=Example/CN=Sub".split(" "),
            );
            writeFileSync(
                join(directory, "sub.ext"),
                `${constraints}\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n`,
            );
            const sign = "x509 -req -in sub.csr -CA root.crt -CAkey root.key -days 300 -extfile sub.ext -out sub.crt";
            await openssl(...sign.split(" "));
            const text = (file: string) => readFileSync(join(directory, file), "utf8");
            putOwn("ca", {
                "tls.crt": text("sub.crt") + text("root.crt"),
                "tls.key": text("sub.key"),
                "ca.crt": text("root.crt"),
            });
            const foreign = api.read<Secret>("secrets/ca")!;
            api.put("secrets/ca", { ...foreign, metadata: { ...foreign.metadata, labels: {} } });
            const before = api.read("secrets/ca");

            await bootstrapWith({ certificates: [webCertificate] });
            assert.deepEqual(api.read("secrets/ca"), before);
            const { "tls.crt": chain, "ca.crt": ca } = dataOf("web-tls");
            assert.equal(pemBlocks(chain).length, 2, "leaf and intermediate, not the root");
            writeFileSync(join(directory, "chain.crt"), chain);
            writeFileSync(join(directory, "ca.crt"), ca);
            await openssl(..."verify -CAfile ca.crt -untrusted chain.crt -purpose sslserver chain.crt".split(" "));
            rmSync(directory, { recursive: true });
        });

        it("names the Secret of others that cannot issue", async () => {
            api.put("secrets/ca", { data: {} });
            await assert.rejects(
                bootstrapWith({ certificates: [webCertificate] }),
                /Secret ca cannot issue: there is none; give it a CA/,
            );
        });
    });

    describe("passwords", () => {
        it("are made once, of the asked length, different for each key, and never changed", async () => {
            await bootstrapWith({ passwords: [{ secretName: "db", keys: ["root", "app"], length: 40 }] });
            const before = dataOf("db");
            assert.match(before.root, /^[A-Za-z0-9]{40}$/);
            assert.match(before.app, /^[A-Za-z0-9]{40}$/);
            assert.notEqual(before.root, before.app);
            await bootstrapWith({ passwords: [{ secretName: "db", keys: ["root", "app", "backup"], length: 20 }] });
            const { backup, ...rest } = dataOf("db");
            assert.deepEqual(rest, before);
            assert.equal(backup.length, 20);
        });
    });

    describe("what it did not make", () => {
        it("is left alone, and the log says so", async () => {
            const foreign = { data: { "tls.crt": "eA==", "tls.key": "eA==" } };
            api.put("secrets/web-tls", foreign);
            api.put("secrets/db", { data: {} });
            const before = [api.read("secrets/web-tls"), api.read("secrets/db")];
            await bootstrapWith({ certificates: [webCertificate], passwords: [{ secretName: "db" }] });
            assert.deepEqual([api.read("secrets/web-tls"), api.read("secrets/db")], before);
            for (const secret of ["web-tls", "db"]) {
                assert.match(String(log.find((line) => line.secret === secret)?.msg), /left alone/);
            }
        });
    });

    describe("owner", () => {
        const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };

        it("stands on CA and certificate, not on passwords", async () => {
            api.put("deployments/web", {});
            await bootstrapWith({ certificates: [webCertificate], passwords: [{ secretName: "db" }], owner });
            const expected = [{ ...owner, uid: api.read("deployments/web")!.metadata.uid }];
            for (const name of ["ca", "web-tls"])
                assert.deepEqual(api.read(`secrets/${name}`)?.metadata.ownerReferences, expected);
            assert.equal(api.read("secrets/db")?.metadata.ownerReferences, undefined);
        });

        it("that was made anew takes over the certificates, which would go with the old one", async () => {
            api.put("deployments/web", {});
            await bootstrapWith({ certificates: [webCertificate], owner });
            const serial = serialOf("web-tls");
            api.delete("deployments/web");
            api.put("deployments/web", {});
            await bootstrapWith({ certificates: [webCertificate], owner });
            const { uid } = api.read("deployments/web")!.metadata;
            for (const name of ["ca", "web-tls"])
                assert.equal(api.read(`secrets/${name}`)?.metadata.ownerReferences?.[0].uid, uid);
            assert.equal(serialOf("web-tls"), serial);
        });

        it("that does not exist is named", async () => {
            await assert.rejects(
                bootstrapWith({ certificates: [webCertificate], owner }),
                /there is no Deployment web in namespace test/,
            );
        });
    });

    describe("two runs at once", () => {
        it("end with one CA, one certificate of it and one password", async () => {
            const specification = { certificates: [webCertificate], passwords: [{ secretName: "db" }] };
            // Both read "does not exist" of each Secret before either may create it.
            const waiting: (() => void)[] = [];
            let arrivals = 0;
            api.intercept = async (request) => {
                if (request.method !== "POST") return false;
                arrivals += 1;
                if (arrivals % 2 === 0) waiting.splice(0).forEach((go) => go());
                else await new Promise<void>((go) => waiting.push(go));
                return false;
            };
            await Promise.all([bootstrapWith(specification), bootstrapWith(specification)]);
            assert.equal(writes().length, 6, "each of the three Secrets was written by both, one of them refused");
            const leaf = new X509Certificate(dataOf("web-tls")["tls.crt"]);
            assert.ok(leaf.verify(new X509Certificate(dataOf("ca")["tls.crt"]).publicKey));
            assert.equal(dataOf("web-tls")["ca.crt"], dataOf("ca")["ca.crt"]);
        });

        it("lose no change that another writer made in between", async () => {
            await bootstrapWith({ passwords: [{ secretName: "db", keys: ["a"] }] });
            const first = dataOf("db").a;
            let interfered = false;
            api.intercept = (request) => {
                if (request.method === "PUT" && !interfered) {
                    interfered = true;
                    putOwn("db", { a: first, b: "from the other run" });
                }
                return false;
            };
            await bootstrapWith({ passwords: [{ secretName: "db", keys: ["a", "b", "c"] }] });
            assert.ok(interfered);
            const { a, b, c } = dataOf("db");
            assert.deepEqual([a, b, c.length], [first, "from the other run", 32]);
        });
    });

    it("never logs what is secret", async () => {
        await bootstrapWith({ certificates: [webCertificate], passwords: [{ secretName: "db" }] });
        const text = JSON.stringify(log);
        for (const secret of [
            dataOf("db").password,
            dataOf("ca")["tls.key"].split("\n")[1],
            dataOf("web-tls")["tls.key"].split("\n")[1],
        ]) {
            assert.ok(!text.includes(secret));
        }
        assert.deepEqual(
            log.map((line) => line.msg),
            ["created", "created", "created"],
        );
    });

    it("ends as the bundled image with exit code 78 and the path of what is wrong", async () => {
        const directory = mkdtempSync(join(tmpdir(), "bootstrap-"));
        const file = join(directory, "spec.json");
        writeFileSync(file, JSON.stringify({ passwords: [{ secretName: "DB" }] }));
        const job = startProcess(await bundled("bootstrap"), { SPEC_FILE: file });
        assert.equal(await job.ended, 78);
        assert.match(
            job.stderr,
            /^bootstrap: SPEC_FILE .*spec.json: passwords\[0\]\.secretName: give the name of a Secret/,
        );
        rmSync(directory, { recursive: true });
    }).timeout(20_000);
});
