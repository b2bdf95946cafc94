import { Case, intoDb, outOfDb, pod, pods, policy } from "./cluster";

/** Which pods a policy isolates, in which direction, and how several policies add up. */
export const isolationCases: Case[] = [
    { name: "no policy: all is open", policies: [], allows: () => true },
    {
        name: "empty pod selector without rules: no ingress to the namespace's pods, from inside it or not",
        policies: [policy({ podSelector: {}, policyTypes: ["Ingress"] })],
        allows: ({ to }) => !["web", "db"].includes(to),
    },
    {
        name: "an empty list of rules means the same as none",
        policies: [policy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [] })],
        allows: ({ to }) => !["web", "db"].includes(to),
    },
    {
        name: "policyTypes left out: ingress alone, if there are no egress rules",
        policies: [policy({ podSelector: { matchLabels: { app: "db" } } })],
        allows: ({ to }) => to !== "db",
    },
    {
        name: "policyTypes left out: both, if there are egress rules",
        policies: [policy({ podSelector: { matchLabels: { app: "db" } }, egress: [{ to: [{ podSelector: {} }] }] })],
        allows: ({ from, to }) => to !== "db" && (from !== "db" || to === "web"),
    },
    {
        name: "Egress without rules: no connection out, replies go",
        policies: [policy({ podSelector: { matchLabels: { app: "db" } }, policyTypes: ["Egress"] })],
        allows: ({ from }) => from !== "db",
    },
    {
        name: "an empty rule allows all",
        policies: [intoDb(), outOfDb()],
        allows: () => true,
    },
    {
        name: "an empty list of peers and of ports means all",
        policies: [intoDb([], []), outOfDb([], [])],
        allows: () => true,
    },
    {
        name: "several policies: their union",
        policies: [
            policy({ podSelector: {}, policyTypes: ["Ingress"] }),
            intoDb([{ podSelector: { matchLabels: { app: "web" } } }]),
            intoDb([{ namespaceSelector: { matchLabels: { team: "ops" } } }], [{ port: 5001 }]),
        ],
        allows: ({ from, to, protocol, port }) =>
            to !== "web" &&
            (to !== "db" || from === "web" || (from === "monitor" && protocol === "tcp" && port === 5001)),
    },
    {
        name: "egress of one and ingress of the other must both allow",
        policies: [
            policy({
                podSelector: { matchLabels: { app: "web" } },
                policyTypes: ["Egress"],
                egress: [{ ports: [{ port: 5000 }] }],
            }),
            intoDb([{ podSelector: {} }], [{ port: 5000 }, { port: 5001 }]),
        ],
        allows: ({ from, to, protocol, port }) =>
            (from !== "web" || (protocol === "tcp" && port === 5000)) &&
            (to !== "db" || (from === "web" && protocol === "tcp")),
    },
    {
        name: "a policy in another namespace selects nothing here",
        policies: [policy({ podSelector: {}, policyTypes: ["Ingress", "Egress"] }, "elsewhere")],
        allows: () => true,
    },
    {
        name: "pods on the host network are neither selected nor peers",
        pods: pods.map((each) =>
            each.metadata.name === "web" ? { ...each, spec: { ...each.spec, hostNetwork: true } } : each,
        ),
        policies: [policy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [{ from: [{ podSelector: {} }] }] })],
        allows: ({ to }) => to !== "db",
    },
    {
        name: "finished pods do not hold on to their address; a terminating pod does, until another has it; then the younger",
        pods: [
            pod("web", "shop", { app: "web" }, 5001, { status: { phase: "Succeeded", podIP: "10.244.0.10" } }),
            pod("db", "shop", { app: "db" }, 5000),
            ...pods.slice(2),
            {
                ...pods[1],
                metadata: {
                    name: "old",
                    namespace: "lab",
                    deletionTimestamp: "2026-01-02T00:00:00Z",
                    creationTimestamp: "2026-01-03T00:00:00Z",
                },
            },
            {
                ...pods[2],
                metadata: { name: "older", namespace: "shop", creationTimestamp: "2025-01-01T00:00:00Z" },
            },
            {
                ...pods[3],
                metadata: { ...pods[3].metadata, deletionTimestamp: "2026-01-02T00:00:00Z" },
            },
        ],
        policies: [
            policy({ podSelector: {}, policyTypes: ["Ingress"] }),
            policy({ podSelector: { matchLabels: { app: "probe" } }, policyTypes: ["Ingress"] }, "lab"),
        ],
        allows: ({ to }) => !["db", "guest"].includes(to),
    },
    {
        name: "pods without an address yet are passed over",
        pods: [...pods, pod("pending", "shop", { app: "web" }, 5000, { status: { phase: "Pending" } })],
        policies: [intoDb([{ podSelector: { matchLabels: { app: "web" } } }])],
        allows: ({ from, to }) => to !== "db" || from === "web",
    },
];
