import { Case, intoDb, policy } from "./cluster";

/** Whom a rule lets through: selectors and address blocks. */
export const peerCases: Case[] = [
    {
        name: "podSelector: the policy's namespace only",
        policies: [
            intoDb([
                { podSelector: { matchLabels: { app: "web" } } },
                { podSelector: { matchLabels: { app: "probe" } } },
            ]),
        ],
        allows: ({ from, to }) => to !== "db" || from === "web",
    },
    {
        name: "namespaceSelector: every pod of the namespaces",
        policies: [intoDb([{ namespaceSelector: { matchLabels: { team: "ops" } } }])],
        allows: ({ from, to }) => to !== "db" || from === "monitor",
    },
    {
        name: "empty namespaceSelector: every pod, nothing that is not a pod",
        policies: [intoDb([{ namespaceSelector: {} }])],
        allows: ({ from, to }) => to !== "db" || from !== "outside",
    },
    {
        name: "both selectors in one peer: both must match",
        policies: [
            intoDb([
                {
                    namespaceSelector: { matchLabels: { stage: "live" } },
                    podSelector: { matchLabels: { tier: "back" } },
                },
            ]),
        ],
        allows: ({ from, to }) => to !== "db" || from === "monitor",
    },
    {
        name: "two selectors in two peers: one match is enough",
        policies: [
            intoDb([
                { namespaceSelector: { matchLabels: { team: "ops" } } },
                { podSelector: { matchLabels: { tier: "front" } } },
            ]),
        ],
        allows: ({ from, to }) => to !== "db" || ["web", "monitor"].includes(from),
    },
    {
        name: "matchExpressions NotIn and DoesNotExist match where the key is missing",
        policies: [
            intoDb([
                {
                    namespaceSelector: {
                        matchExpressions: [{ key: "team", operator: "NotIn", values: ["ops", "sales"] }],
                    },
                    podSelector: { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] },
                },
            ]),
        ],
        allows: ({ from, to }) => to !== "db" || from === "guest",
    },
    {
        name: "matchExpressions In and Exists, on the selected pods too",
        policies: [
            policy({
                podSelector: { matchExpressions: [{ key: "app", operator: "In", values: ["db", "cache"] }] },
                policyTypes: ["Ingress"],
                ingress: [
                    { from: [{ namespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] } }] },
                ],
            }),
        ],
        allows: ({ from, to }) => to !== "db" || ["web", "monitor"].includes(from),
    },
    {
        name: "ipBlock with exceptions, pods included; the Service's own address matches nothing",
        policies: [intoDb([{ ipBlock: { cidr: "10.244.0.0/15", except: ["10.244.1.0/28"] } }])],
        allows: ({ from, to }) => to !== "db" || from === "web",
    },
    {
        name: "ipBlock of everything, except the pods",
        policies: [intoDb([{ ipBlock: { cidr: "0.0.0.0/0", except: ["10.244.0.0/16"] } }])],
        allows: ({ from, to }) => to !== "db" || from === "outside",
    },
    {
        name: "an exception holds for its own block only",
        policies: [
            intoDb([
                { ipBlock: { cidr: "10.244.0.0/16", except: ["10.244.1.0/24"] } },
                { ipBlock: { cidr: "10.244.1.11/32" } },
            ]),
        ],
        allows: ({ from, to }) => to !== "db" || ["web", "guest"].includes(from),
    },
    {
        name: "ipBlock and egress: backends by their own address, never by the Service's",
        policies: [
            {
                ...policy({
                    podSelector: { matchLabels: { app: "web" } },
                    policyTypes: ["Egress"],
                    egress: [{ to: [{ ipBlock: { cidr: "10.96.0.0/12" } }] }],
                }),
            },
            policy(
                {
                    podSelector: {},
                    policyTypes: ["Egress"],
                    egress: [{ to: [{ ipBlock: { cidr: "10.244.0.11/32" } }] }],
                },
                "ops",
            ),
        ],
        allows: ({ from, to }) => from !== "web" && (from !== "monitor" || to === "db"),
    },
    {
        name: "an IPv6 block matches nothing",
        policies: [intoDb([{ ipBlock: { cidr: "::/0" } }])],
        allows: ({ to }) => to !== "db",
    },
];
