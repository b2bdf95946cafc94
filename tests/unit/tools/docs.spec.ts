import assert from "node:assert/strict";

import { withBlocks } from "../../../tools/docs/blocks";
import { diagram } from "../../../tools/docs/diagram";

describe("a diagram", () => {
    const container = {
        name: "app",
        ports: [{ name: "http", containerPort: 8080 }],
        env: [{ name: "PORT", value: "1" }],
    };
    const pods = (spec: object = {}) => ({
        type: "kubernetes:apps/v1:Deployment",
        name: "shop",
        inputs: {
            spec: { template: { metadata: { labels: { app: "shop" } }, spec: { containers: [container], ...spec } } },
        },
    });
    const service = (selector: Record<string, string>, targetPort: number | string) => ({
        type: "kubernetes:core/v1:Service",
        name: "shop",
        inputs: { metadata: { name: "front" }, spec: { selector, ports: [{ port: 80, targetPort }] } },
    });

    it("leads a Service to the container that listens, by number or name, and to no other pods", () => {
        const arrow = (targetPort: number | string) => `Service_front -->|"80 → ${targetPort}"| Deployment_shop_app`;
        for (const port of [8080, "http"])
            assert.ok(diagram([pods(), service({ app: "shop" }, port)]).includes(arrow(port)));
        assert.ok(!diagram([pods(), service({ app: "shop" }, 9090)]).includes("80 →"));
        assert.ok(!diagram([pods(), service({ app: "other" }, 8080)]).includes("Service"));
    });

    it("says who may connect", () => {
        const policy = (from?: object[]) => ({
            type: "kubernetes:networking.k8s.io/v1:NetworkPolicy",
            name: "shop",
            inputs: {
                spec: { podSelector: { matchLabels: { app: "shop" } }, ingress: [{ ports: [{ port: 8080 }], from }] },
            },
        });
        const reached = [pods(), service({ app: "shop" }, 8080)];
        assert.match(diagram(reached), /any client.*\n.*no NetworkPolicy/s);
        assert.match(diagram([...reached, policy()]), /any client.*NetworkPolicy admits 8080/s);
        assert.match(diagram([...reached, policy([{}])]), /chosen clients/);
    });

    it("refuses a link between containers, or with a variable, that is not there", () => {
        const sidecar = { name: "proxy" };
        const resources = [pods({ initContainers: [sidecar] })];
        assert.match(
            diagram(resources, [{ from: "proxy", to: "app", label: "port $PORT" }]),
            /Deployment_shop_proxy -->\|"port 1"\| Deployment_shop_app/,
        );
        assert.throws(() => diagram(resources, [{ from: "gone", to: "app", label: "" }]), {
            message: "no pod has the containers gone and app",
        });
        assert.throws(() => diagram(resources, [{ from: "proxy", to: "app", label: "$GONE" }]), {
            message: "no container of shop has the variable GONE",
        });
    });
});

describe("generated blocks", () => {
    const page = "a\n\n<!-- generated: one -->\nold\n<!-- end of generated -->\n\nb\n";

    it("replace what stands between their comments, and leave the rest", () => {
        const made = withBlocks(page, { one: "new" });
        assert.equal(made, "a\n\n<!-- generated: one -->\n\nnew\n\n<!-- end of generated -->\n\nb\n");
        assert.equal(withBlocks(made, { one: "new" }), made);
    });

    it("are refused when the page lacks one or has one more", () => {
        assert.throws(() => withBlocks(page, { one: "", two: "" }), { message: "the page lacks the blocks two" });
        assert.throws(() => withBlocks(page, {}), { message: 'the page has a block "one" that nothing generates' });
    });
});
