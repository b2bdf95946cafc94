import { Pod } from "../../../../tools/cluster/network-policy/objects";
import { Case, intoDb, outOfDb, pods, policy } from "./cluster";

/** Which ports a rule lets through, by number, range and name. */
export const portCases: Case[] = [
    {
        name: "port number: TCP unless said otherwise",
        policies: [intoDb(undefined, [{ port: 5000 }])],
        allows: ({ to, protocol, port }) => to !== "db" || (protocol === "tcp" && port === 5000),
    },
    {
        name: "ports of other protocols; a protocol alone means all its ports",
        policies: [intoDb(undefined, [{ protocol: "UDP" }, { protocol: "SCTP", port: 5001 }])],
        allows: ({ to, protocol }) => to !== "db" || protocol === "udp",
    },
    {
        name: "endPort: both ends included",
        policies: [
            intoDb(undefined, [{ port: 4000, endPort: 5000 }]),
            outOfDb(undefined, [{ port: 5001, endPort: 6000 }]),
        ],
        allows: ({ from, to, protocol, port }) =>
            (to !== "db" || (protocol === "tcp" && port === 5000)) &&
            (from !== "db" || (protocol === "tcp" && port === 5001)),
    },
    {
        name: "peers and ports of one rule: both must match; of two rules: one is enough",
        policies: [
            policy({
                podSelector: { matchLabels: { app: "db" } },
                policyTypes: ["Ingress"],
                ingress: [
                    { from: [{ podSelector: {} }], ports: [{ port: 5000 }] },
                    { from: [{ namespaceSelector: { matchLabels: { team: "ops" } } }], ports: [{ port: 5001 }] },
                ],
            }),
        ],
        allows: ({ from, to, protocol, port }) =>
            to !== "db" || (protocol === "tcp" && from === (port === 5000 ? "web" : "monitor")),
    },
    {
        name: "named port, ingress: what each selected pod calls so",
        policies: [policy({ podSelector: {}, policyTypes: ["Ingress"], ingress: [{ ports: [{ port: "main" }] }] })],
        allows: ({ to, protocol, port }) =>
            !["web", "db"].includes(to) || (protocol === "tcp" && port === (to === "web" ? 5001 : 5000)),
    },
    {
        name: "named port, egress: what each destination calls so, and no host that has no names",
        policies: [
            policy(
                {
                    podSelector: {},
                    policyTypes: ["Egress"],
                    egress: [{ to: [{ namespaceSelector: {} }], ports: [{ port: "main" }] }],
                },
                "lab",
            ),
        ],
        allows: ({ from, to, protocol, port }) =>
            from !== "guest" || (to !== "outside" && protocol === "tcp" && port === (to === "web" ? 5001 : 5000)),
    },
    {
        name: "named port, egress to all peers or to a block: the pods among them",
        policies: [
            outOfDb([{ ipBlock: { cidr: "10.244.1.0/24" } }], [{ port: "main" }]),
            policy({ podSelector: {}, policyTypes: ["Egress"], egress: [{ ports: [{ port: "main" }] }] }, "lab"),
        ],
        allows: ({ from, to, protocol, port }) =>
            (from !== "db" || (["monitor", "guest"].includes(to) && protocol === "tcp" && port === 5000)) &&
            (from !== "guest" || (to !== "outside" && protocol === "tcp" && port === (to === "web" ? 5001 : 5000))),
    },
    {
        name: "named port of another protocol, or one that no pod has, allows nothing",
        policies: [intoDb(undefined, [{ port: "main", protocol: "UDP" }, { port: "other" }])],
        allows: ({ to }) => to !== "db",
    },
    {
        name: "named port of a native sidecar counts, that of a container that ends before does not",
        pods: pods.map((each) => ({
            ...each,
            spec: {
                containers: [{}] as Pod["spec"]["containers"],
                initContainers: [
                    { restartPolicy: "Always", ports: [{ name: "main", containerPort: 5000 }] },
                    { ports: [{ name: "main", containerPort: 5001 }] },
                ],
            },
        })),
        policies: [intoDb(undefined, [{ port: "main" }])],
        allows: ({ to, protocol, port }) => to !== "db" || (protocol === "tcp" && port === 5000),
    },
];
