import assert from "node:assert/strict";

import { CommandError } from "../../tools/lib/process";
import { TestNamespace, IDLE, PodOptions, podTemplate } from "./support/testNamespace";

describe("a namespace that enforces restricted pods", function () {
    this.timeout(60_000);
    let namespace: TestNamespace;

    before(async () => (namespace = await TestNamespace.open("restricted")));
    after(() => namespace?.close());

    const submit = (options: PodOptions) => {
        const { metadata, spec } = podTemplate(IDLE, options);
        const pod = { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name: "candidate" }, spec };
        return namespace.kubectl(["apply", "--dry-run=server", "-f", "-"], pod);
    };

    it("admits a restricted pod", async () => {
        assert.match(await submit({}), /^pod\/candidate created/);
    });

    const refused: Record<string, PodOptions> = {
        privileged: { container: { securityContext: { privileged: true } } },
        "allowPrivilegeEscalation != false": { container: { securityContext: { capabilities: { drop: ["ALL"] } } } },
        "unrestricted capabilities": { container: { securityContext: { allowPrivilegeEscalation: false } } },
        "host namespaces": { spec: { hostNetwork: true } },
        "restricted volume types": { spec: { volumes: [{ name: "host", hostPath: { path: "/" } }] } },
        "runAsNonRoot != true": { spec: { securityContext: { seccompProfile: { type: "RuntimeDefault" } } } },
        "runAsUser=0": { container: { securityContext: { runAsUser: 0 } } },
        seccompProfile: { spec: { securityContext: { runAsNonRoot: true, runAsUser: 65532 } } },
    };
    for (const [violation, options] of Object.entries(refused)) {
        it(`refuses a pod by its violation: ${violation}`, async () => {
            await assert.rejects(submit(options), ({ stderr }: CommandError) => {
                assert.ok(stderr.includes('violates PodSecurity "restricted:latest"'), stderr);
                assert.ok(stderr.includes(violation), stderr);
                return true;
            });
        });
    }
});
