import assert from "node:assert/strict";

import { Certificate, CertificateArgs } from "../../components/infrastructure/certificate";
import { podSecurityViolations } from "../policy/podSecurity";
import { listOf, only, recordResources, settled, unknown, valueOf } from "../support/mocks";

const bootstrapImage = `127.0.0.1:5001/distributed-patterns/bootstrap@sha256:${"0".repeat(64)}`;
const dnsNames = ["shop.example.com"];

/** The resources of one Certificate, and its Secret. */
async function certificate(args: Partial<CertificateArgs>, preview = false) {
    const recorded = await recordResources({ preview });
    const made = new Certificate("tls", { namespace: "books", ...args });
    await settled();
    return { recorded, secretName: await valueOf(made.secretName) };
}

describe("Certificate", () => {
    it("uses an existing Secret as it is and makes nothing", async () => {
        const { recorded, secretName } = await certificate({ existingSecret: "shop-tls" });
        assert.equal(secretName, "shop-tls");
        assert.deepEqual(listOf(recorded), ["distributed-patterns:index:Certificate tls"]);
    });

    it("orders from a cert-manager issuer", async () => {
        const { recorded, secretName } = await certificate({
            issuer: { name: "acme", kind: "ClusterIssuer" },
            dnsNames,
            secretName: "shop-tls",
            validity: "90d",
        });
        assert.equal(secretName, "shop-tls");
        assert.deepEqual(listOf(recorded), [
            "cert-manager.io/v1:Certificate tls",
            "distributed-patterns:index:Certificate tls",
        ]);
        assert.deepEqual(only(recorded, "kubernetes:cert-manager.io/v1:Certificate").spec, {
            secretName: "shop-tls",
            dnsNames,
            issuerRef: { name: "acme", kind: "ClusterIssuer" },
            duration: "7776000s",
            renewBefore: "2592000s",
        });
    });

    describe("made in the cluster", () => {
        it("by a Job with rights to its Secrets alone, and renewed daily by the same pod", async () => {
            const { recorded, secretName } = await certificate({ bootstrapImage, dnsNames });
            assert.equal(secretName, "tls");
            assert.deepEqual(only(recorded, "kubernetes:rbac.authorization.k8s.io/v1:Role").rules, [
                { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
                { apiGroups: [""], resources: ["secrets"], resourceNames: ["tls", "tls-ca"], verbs: ["get", "update"] },
                { apiGroups: [""], resources: ["serviceaccounts"], resourceNames: ["tls"], verbs: ["get"] },
            ]);
            const job = only(recorded, "kubernetes:batch/v1:Job").spec;
            const cronJob = only(recorded, "kubernetes:batch/v1:CronJob").spec;
            assert.deepEqual(cronJob.jobTemplate.spec, job);
            assert.equal(cronJob.concurrencyPolicy, "Forbid");
            assert.match(cronJob.schedule, /^\d+ \d+ \* \* \*$/);
        });

        it("in a restricted pod that reads its specification and holds the only token", async () => {
            const { recorded } = await certificate({ bootstrapImage, dnsNames });
            const { spec } = only(recorded, "kubernetes:batch/v1:Job").spec.template;
            assert.deepEqual(podSecurityViolations(spec), []);
            assert.equal(spec.automountServiceAccountToken, false);
            assert.equal(spec.serviceAccountName, "tls");
            const mounts = spec.containers[0].volumeMounts.map((mount: any) => mount.mountPath);
            assert.deepEqual(mounts, ["/var/run/secrets/kubernetes.io/serviceaccount", "/etc/bootstrap"]);
            assert.ok(
                spec.volumes.some((volume: any) => volume.configMap?.name === "tls-0a1b2c"),
                "the ConfigMap made here",
            );
        });

        it("only once its rights are in place", async () => {
            const { recorded } = await certificate({ bootstrapImage, dnsNames });
            const job = recorded.find(({ type }) => type === "kubernetes:batch/v1:Job")!;
            const order = recorded.map(({ type }) => type);
            assert.ok(order.indexOf("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding") < order.indexOf(job.type));
            assert.ok(job.dependencies.includes("tls"));
        });
    });

    it("previews with everything unknown", async () => {
        const { recorded } = await certificate(
            { namespace: unknown(), bootstrapImage: unknown(), dnsNames: unknown() },
            true,
        );
        assert.equal(recorded.length, 7);
    });

    const refusals: [Partial<CertificateArgs>, string][] = [
        [{}, "bad: `args` is []; give exactly one of `existingSecret`, `issuer`, `bootstrapImage`"],
        [
            { existingSecret: "a", bootstrapImage },
            'bad: `args` is ["existingSecret","bootstrapImage"]; give exactly one of `existingSecret`, `issuer`, `bootstrapImage`',
        ],
        [{ bootstrapImage }, "bad: `dnsNames` is missing; give the host names of the certificate"],
        [{ bootstrapImage, dnsNames: [] }, "bad: `dnsNames` is []; give at least one host name"],
        [
            { bootstrapImage, dnsNames: ["a b"] },
            'bad: `dnsNames` is "a b"; give a host name such as `shop.example.com` or `*.example.com`',
        ],
        [
            { bootstrapImage, dnsNames, validity: "90" },
            'bad: `validity` is "90"; give a time with its unit (ms, s, m, h, d) from 3d to 1825d',
        ],
        [
            { bootstrapImage, dnsNames, validity: "10d", renewBefore: "10d" },
            'bad: `renewBefore` is "10d"; give a time shorter than `validity`, 10d',
        ],
        [
            { bootstrapImage, dnsNames, secretName: "A" },
            'bad: `secretName` is "A"; give a DNS label: 1 to 63 of a-z, 0-9 and -, a letter or digit at both ends',
        ],
        [
            { issuer: { name: "acme", kind: "Vault" }, dnsNames },
            'bad: `issuer.kind` is "Vault"; give one of Issuer, ClusterIssuer',
        ],
        [
            { bootstrapImage: "bootstrap", dnsNames },
            'bad: `bootstrapImage` is "bootstrap"; give an image by digest, `repository@sha256:…`, or by a tag other than `latest`',
        ],
    ];
    for (const [args, message] of refusals) {
        it(`refuses ${JSON.stringify(args)} before any child`, async () => {
            const recorded = await recordResources({ preview: true });
            assert.throws(() => new Certificate("bad", { namespace: "books", ...args }), { message });
            await settled();
            assert.equal(recorded.length, 1);
        });
    }
});
