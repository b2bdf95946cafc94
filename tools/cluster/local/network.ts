import { existsSync } from "node:fs";

import { run } from "../../lib/process";
import { ClusterLayout, NodeLayout } from "./layout";

/** Makes the namespaces, links and routes of all nodes that do not have them yet. */
export async function createNetwork(cluster: ClusterLayout): Promise<void> {
    for (const node of cluster.nodes) {
        if (!(await isComplete(node))) {
            await deleteNodeNetwork(node);
            await createNodeNetwork(cluster, node);
        }
    }
}

/** Removes namespaces and links; what is in them goes with them. */
export async function deleteNetwork(cluster: ClusterLayout): Promise<void> {
    for (const node of [...cluster.nodes].reverse()) {
        if (node.number > 1) await deleteHostRoute(cluster, node);
        await deleteNodeNetwork(node);
    }
}

/** The command line that runs a command in a node's network namespace. `ip netns exec` would remount /sys, and the kubelet would find no cgroups. */
export function inNamespace(node: NodeLayout, command: string[]): string[] {
    return ["nsenter", `--net=/run/netns/${node.namespace}`, "--", ...command];
}

async function createNodeNetwork(cluster: ClusterLayout, node: NodeLayout): Promise<void> {
    const { namespace, link, address, gateway } = node;
    const inside = (...args: string[]) => ip("-n", namespace, ...args);
    await ip("netns", "add", namespace);
    await ip("link", "add", link.gateway, "type", "veth", "peer", "name", link.node, "netns", namespace);
    await inside("link", "set", "lo", "up");
    await inside("addr", "add", `${address}/30`, "dev", link.node);
    await inside("link", "set", link.node, "up");
    await run(...head(inNamespace(node, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])));
    if (node.number === 1) {
        await ip("addr", "add", `${gateway}/30`, "dev", link.gateway);
        await ip("link", "set", link.gateway, "up");
        // Service addresses need a route before they are translated. This one leads nowhere: nothing leaves the machine.
        await inside("link", "add", "sink", "type", "bridge");
        await inside("link", "set", "sink", "up");
        await inside("addr", "add", `${cluster.sinkAddress}/32`, "dev", "sink");
        await inside("route", "replace", "default", "dev", "sink", "src", address);
        return;
    }
    const first = cluster.nodes[0];
    await ip("link", "set", link.gateway, "netns", first.namespace);
    await ip("-n", first.namespace, "addr", "add", `${gateway}/30`, "dev", link.gateway);
    await ip("-n", first.namespace, "link", "set", link.gateway, "up");
    await ip("-n", first.namespace, "route", "replace", node.podRange, "via", address);
    await inside("route", "replace", "default", "via", gateway);
    // So that the node reaches the registry on the host, and the host the node.
    await ip("route", "replace", `${address}/32`, "via", first.address);
}

async function isComplete(node: NodeLayout): Promise<boolean> {
    if (!existsSync(`/run/netns/${node.namespace}`)) return false;
    // The last thing that is made in a namespace is its default route.
    const { stdout } = await ip("-n", node.namespace, "route", "show", "default").catch(() => ({ stdout: "" }));
    return stdout.includes("default");
}

async function deleteHostRoute(cluster: ClusterLayout, node: NodeLayout): Promise<void> {
    await ip("route", "del", `${node.address}/32`, "via", cluster.nodes[0].address).catch(() => undefined);
}

async function deleteNodeNetwork(node: NodeLayout): Promise<void> {
    if (existsSync(`/run/netns/${node.namespace}`)) await ip("netns", "del", node.namespace);
    // The kernel removes the link some time after the namespace; the next cluster may want its name at once.
    if (existsSync(`/sys/class/net/${node.link.gateway}`))
        await ip("link", "del", node.link.gateway).catch(() => undefined);
}

function ip(...args: string[]) {
    return run("ip", args);
}

function head([command, ...args]: string[]): [string, string[]] {
    return [command, args];
}
