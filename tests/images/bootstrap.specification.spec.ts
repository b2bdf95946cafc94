import assert from "node:assert/strict";

import { parseSpecification } from "../../images/bootstrap/src/specification";

const webCertificate = { secretName: "web-tls", dnsNames: ["web.test.svc"], issuerSecretName: "ca" };

describe("bootstrap specification", () => {
    const withCertificate = (change: object) => ({ certificates: [{ ...webCertificate, ...change }] });

    const cases: [string, object, RegExp][] = [
        [
            "a duration without unit",
            withCertificate({ validity: "90" }),
            /^SPEC_FILE \/spec.json: certificates\[0\]\.validity: is "90"; give a duration such as 90d/,
        ],
        [
            "a wrong DNS name",
            withCertificate({ dnsNames: ["ok", "Not OK"] }),
            /certificates\[0\]\.dnsNames\[1\]: give a DNS name/,
        ],
        [
            "a wrong address",
            withCertificate({ ipAddresses: ["1.2.3"] }),
            /certificates\[0\]\.ipAddresses\[0\]: give an IP address/,
        ],
        [
            "no name at all",
            withCertificate({ dnsNames: [], ipAddresses: [] }),
            /certificates\[0\]\.dnsNames: give dnsNames/,
        ],
        [
            "renewal before issue",
            withCertificate({ renewBefore: "90d" }),
            /certificates\[0\]\.renewBefore: give less than validity/,
        ],
        [
            "a short-lived CA",
            { ...withCertificate({}), authorityValidity: "100d" },
            /authorityValidity: give at least twice/,
        ],
        ["an unknown field", withCertificate({ dnsName: "x" }), /certificates\[0\]: .*dnsName/],
        [
            "one Secret for two things",
            { ...withCertificate({}), passwords: [{ secretName: "web-tls" }] },
            /passwords\[0\]\.secretName: "web-tls" is also certificates\[0\]\.secretName/,
        ],
        [
            "a CA in the leaf's Secret",
            withCertificate({ issuerSecretName: "web-tls" }),
            /issuerSecretName: "web-tls" is also/,
        ],
        ["a weak password", { passwords: [{ secretName: "db", length: 8 }] }, /passwords\[0\]\.length: .*16/],
    ];
    for (const [what, specification, problem] of cases) {
        it(`refuses ${what}`, () => {
            assert.throws(() => parseSpecification(specification, "SPEC_FILE /spec.json"), { message: problem });
        });
    }
});
