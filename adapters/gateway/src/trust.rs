//! Whose word counts about a request: the configured gateways.

use std::net::IpAddr;

use ipnet::IpNet;
use pdp_core::server::doors::Peer;

/// Networks, and names of client certificates.
#[derive(Debug, Clone, Default)]
pub struct TrustedPeers {
    networks: Vec<IpNet>,
    names: Vec<String>,
}

impl TrustedPeers {
    /// Reads a list with commas: addresses, networks (`10.0.0.0/8`), and names as `name:portal.example` or
    /// `name:spiffe://example/ns/gateway` (a DNS name or URI of the gateway's client certificate).
    ///
    /// # Errors
    /// One sentence that names the entry.
    pub fn parse(list: &str) -> Result<Self, String> {
        let mut trusted = Self::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            if let Some(name) = entry.strip_prefix("name:").filter(|name| !name.is_empty()) {
                trusted.names.push(name.to_owned());
            } else if let Ok(network) = entry.parse::<IpNet>() {
                trusted.networks.push(network);
            } else if let Ok(address) = entry.parse::<IpAddr>() {
                trusted.networks.push(IpNet::from(address));
            } else {
                return Err(format!(
                    "{entry:?} is no address, network such as 10.0.0.0/8, or name:CERTIFICATE-NAME"
                ));
            }
        }
        Ok(trusted)
    }

    pub fn trusts(&self, peer: &Peer) -> bool {
        let address = peer.address.ip().to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
            || peer.names.iter().any(|name| self.names.contains(name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::TrustedPeers;
    use pdp_core::server::doors::Peer;

    fn peer(address: &str, names: &[&str]) -> Peer {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Peer { address: format!("{address}:5").parse().unwrap(), names }
    }

    #[test]
    fn networks_addresses_and_names() {
        let trusted = TrustedPeers::parse("127.0.0.0/8, ::1,name:spiffe://a/b, ").unwrap();
        for (address, names, wanted) in [
            ("127.3.2.1", &[] as &[&str], true),
            ("[::1]", &[], true),
            ("[::ffff:127.0.0.1]", &[], true),
            ("10.0.0.1", &[], false),
            ("10.0.0.1", &["x", "spiffe://a/b"], true),
            ("10.0.0.1", &["spiffe://a/bc"], false),
        ] {
            assert_eq!(trusted.trusts(&peer(address, names)), wanted, "{address} {names:?}");
        }
        assert!(!TrustedPeers::parse("").unwrap().trusts(&peer("127.0.0.1", &[])));
        for bad in ["localhost", "10.0.0.0/33", "name:", "1.2.3"] {
            assert!(TrustedPeers::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
    }
}
