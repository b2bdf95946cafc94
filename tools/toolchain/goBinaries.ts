import { providerModule } from "./providerModule";
import { versions } from "./versions";

/** A binary that is built from Go modules, pinned by a `go.mod` and `go.sum` under `go/`. */
export interface GoBinary {
    /** File name of the result. */
    name: string;
    /** Folder under `go/` that pins the versions. */
    module: string;
    /** Package to build. */
    package: string;
    /** Passed to the linker beside `-s -w`. */
    linkerFlags?: string;
    tags?: string;
    /** Links against C libraries; the Debian packages that hold them. */
    cgoPackages?: string[];
    /** Seconds on two idle cores with nothing compiled before. */
    usualSeconds: number;
    /** Completes the copied module folder before the build. */
    prepare?: (directory: string, environment: NodeJS.ProcessEnv) => Promise<void>;
}

const PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3";
const CONTAINERD = "github.com/containerd/containerd/v2";
const [major, minor] = versions.kubernetes.split(".");
/** What Kubernetes' binaries say of themselves; clients choose by it what they ask of a server. */
const KUBERNETES_VERSION = Object.entries({ gitVersion: `v${versions.kubernetes}`, gitMajor: major, gitMinor: minor })
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(" ");

/** What Pulumi needs to run a TypeScript program against Kubernetes. */
export const pulumiBinaries: GoBinary[] = [
    {
        name: "pulumi",
        module: "pulumi-cli",
        package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        linkerFlags: `-X ${PULUMI_SDK}/go/common/version.Version=v${versions.pulumiFromModule}`,
        usualSeconds: 165,
    },
    {
        name: "pulumi-language-nodejs",
        module: "pulumi-language-nodejs",
        package: `${PULUMI_SDK}/nodejs/cmd/pulumi-language-nodejs`,
        usualSeconds: 25,
    },
    {
        name: "pulumi-resource-kubernetes",
        module: "pulumi-resource-kubernetes",
        package: ".",
        linkerFlags: `-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=${versions.kubernetesProvider}`,
        usualSeconds: 150,
        prepare: providerModule,
    },
];

/** What a cluster consists of. They share one module, so that the Kubernetes libraries compile once. */
export const clusterBinaries: GoBinary[] = [
    { name: "kube", package: "./cmd/kube", linkerFlags: KUBERNETES_VERSION, usualSeconds: 330 },
    { name: "kubectl", package: "./cmd/kubectl", linkerFlags: KUBERNETES_VERSION, usualSeconds: 20 },
    { name: "etcd", package: "go.etcd.io/etcd/server/v3", usualSeconds: 15 },
    {
        name: "containerd",
        package: `${CONTAINERD}/cmd/containerd`,
        linkerFlags: `-X ${CONTAINERD}/version.Version=v${versions.containerd}`,
        usualSeconds: 65,
    },
    { name: "containerd-shim-runc-v2", package: `${CONTAINERD}/cmd/containerd-shim-runc-v2`, usualSeconds: 5 },
    {
        name: "runc",
        package: "github.com/opencontainers/runc",
        tags: "seccomp",
        cgoPackages: ["gcc", "libc6-dev", "libseccomp-dev", "pkg-config"],
        usualSeconds: 15,
    },
    { name: "coredns", package: "./cmd/coredns", usualSeconds: 45 },
    { name: "metrics-server", package: "sigs.k8s.io/metrics-server/cmd/metrics-server", usualSeconds: 15 },
    { name: "volume-provisioner", package: "./cmd/volume-provisioner", usualSeconds: 10 },
    { name: "pause", package: "./cmd/pause", usualSeconds: 5 },
].map((binary) => ({ ...binary, module: "cluster" }));
