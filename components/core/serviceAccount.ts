import type { types } from "@pulumi/kubernetes";
import { ServiceAccount } from "@pulumi/kubernetes/core/v1";
import { Role, RoleBinding } from "@pulumi/kubernetes/rbac/v1";
import * as pulumi from "@pulumi/pulumi";

/** What a service account is for. */
export interface ScopedServiceAccount {
    namespace: pulumi.Input<string>;
    labels: Record<string, string>;
    /** All that the account may do, in this namespace. */
    rules: types.input.rbac.v1.PolicyRule[];
}

/**
 * Makes a ServiceAccount with a Role of named verbs, as children of `parent`.
 *
 * @returns the account's name, and what its pods wait for: with the binding, its rights are in place
 */
export function scopedServiceAccount(
    parent: pulumi.ComponentResource,
    name: string,
    { namespace, labels, rules }: ScopedServiceAccount,
): { name: pulumi.Output<string>; binding: RoleBinding } {
    const metadata = { name, namespace, labels };
    const account = new ServiceAccount(name, { metadata, automountServiceAccountToken: false }, { parent });
    const role = new Role(name, { metadata, rules }, { parent });
    const binding = new RoleBinding(
        name,
        {
            metadata,
            roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: role.metadata.name },
            subjects: [{ kind: "ServiceAccount", name: account.metadata.name, namespace }],
        },
        { parent },
    );
    return { name: account.metadata.name, binding };
}
