//! The part of an enclave's configuration that images need. The enclave itself reads the whole strictly.

use serde::Deserialize;

/// The platform that an image is built for.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Nitro,
    Snp,
}

#[derive(Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    platform: String,
    host_cid: Option<u32>,
    #[serde(default)]
    pub(crate) model: Vec<Model>,
}

#[derive(Deserialize)]
pub(crate) struct Model {
    pub(crate) sha256: String,
}

impl Config {
    /// Reads a configuration. The error says what is wrong.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    /// Checks that an image with this configuration can run on the platform. The error says why not.
    pub(crate) fn fits(&self, target: Target) -> Result<(), String> {
        let name = match target {
            Target::Nitro => "nitro",
            Target::Snp => "sev-snp",
        };
        match (target, self.host_cid) {
            _ if self.platform != name && self.platform != "none" => {
                Err(format!("platform is \"{}\": an image for {name} needs \"{name}\" or \"none\"", self.platform))
            }
            (Target::Snp, Some(host)) if host != 2 => Err(format!("host_cid is {host}: for a machine it must be 2")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_image_is_for_the_platform_that_its_configuration_names() {
        let fits = |text: &str| {
            let config = Config::parse(text.as_bytes()).unwrap();
            (config.fits(Target::Nitro).is_ok(), config.fits(Target::Snp).is_ok())
        };
        assert_eq!(fits("platform = \"nitro\""), (true, false));
        assert_eq!(fits("platform = \"sev-snp\""), (false, true));
        assert_eq!(fits("platform = \"none\""), (true, true));
        assert_eq!(fits("platform = \"simulated\""), (false, false));
        assert_eq!(fits(""), (false, false));
        assert_eq!(fits("platform = \"nitro\"\nhost_cid = 2"), (true, false));
        assert_eq!(fits("platform = \"sev-snp\"\nhost_cid = 3"), (false, false));
        assert!(Config::parse(b"= 1").is_err() && Config::parse(&[0xff]).is_err());
    }
}
