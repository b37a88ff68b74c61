//! Which provider has a model: by exact name, or by the longest prefix.

use std::collections::BTreeMap;

use quoth_attestation::statement::ShortText;

use crate::config::Settings;

/// Which provider has a model, and the provider's name for it.
pub struct Routes {
    /// By name: the provider, and its own name for the model.
    exact: BTreeMap<String, (usize, ShortText)>,
    /// Prefixes, the longest first.
    prefixes: Vec<(String, usize)>,
}

impl Routes {
    /// Reads the routes. Refuses names that lead to two places.
    pub fn new(settings: &Settings) -> Result<Self, &'static str> {
        let (mut exact, mut prefixes) = (BTreeMap::new(), Vec::<(String, usize)>::new());
        for (index, upstream) in settings.upstreams.iter().enumerate() {
            if settings.upstreams[..index].iter().any(|other| other.name == upstream.name) {
                return Err("two upstreams have one name");
            }
            let own = upstream.models.iter().map(|name| (name, name));
            for (name, own) in own.chain(&upstream.aliases) {
                let new = match name.strip_suffix('*') {
                    Some(prefix) => {
                        let new = prefixes.iter().all(|(other, _)| other != prefix);
                        prefixes.push((prefix.into(), index));
                        new
                    }
                    None => {
                        let own = ShortText::new(own).map_err(|_| "a model's name has 1 to 256 bytes")?;
                        exact.insert(name.clone(), (index, own)).is_none()
                    }
                };
                if !new {
                    return Err("a model's name leads to two upstreams");
                }
            }
        }
        if settings.models.iter().any(|model| exact.contains_key(&model.name)) {
            return Err("a local model has the name of an upstream's");
        }
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(Self { exact, prefixes })
    }

    /// The provider's position in the configuration, and its name for the model.
    pub fn find<'a>(&'a self, model: &'a ShortText) -> Option<(usize, &'a ShortText)> {
        if let Some((index, own)) = self.exact.get(model.as_str()) {
            return Some((*index, own));
        }
        self.by_pattern(model).map(|index| (index, model))
    }

    /// The provider that a pattern leads to, if no exact name does.
    pub fn by_pattern(&self, model: &str) -> Option<usize> {
        if self.exact.contains_key(model) {
            return None;
        }
        self.prefixes.iter().find(|(prefix, _)| model.starts_with(prefix.as_str())).map(|(_, index)| *index)
    }

    /// Whether a provider has models by pattern.
    pub fn has_patterns(&self, index: usize) -> bool {
        self.prefixes.iter().any(|(_, other)| *other == index)
    }

    /// Exact names, without those of patterns.
    pub fn names(&self) -> impl Iterator<Item = (&str, usize)> {
        self.exact.iter().map(|(name, (index, _))| (name.as_str(), *index))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Config;

    fn settings(upstreams: &str) -> Settings {
        let file = format!("version = 1\nplatform = \"none\"\ntls_names = [\"localhost\"]\n{upstreams}");
        Config::parse(file.into_bytes()).unwrap().settings
    }

    fn upstream(name: &str, rest: &str) -> String {
        format!("[[upstream]]\nname = \"{name}\"\nhost = \"{name}.example\"\napi = \"openai\"\n{rest}\n")
    }

    #[test]
    fn exact_names_come_before_patterns_and_longer_patterns_before_shorter() {
        let a = upstream("a", "models = [\"gpt-*\", \"o1\"]\naliases = { fast = \"gpt-mini\" }");
        let routes = Routes::new(&settings(&(a + &upstream("b", "models = [\"*\", \"gpt-5*\"]")))).unwrap();
        for (model, found) in [
            ("o1", (0, "o1")),
            ("fast", (0, "gpt-mini")),
            ("gpt-4", (0, "gpt-4")),
            ("gpt-5-x", (1, "gpt-5-x")),
            ("o1-mini", (1, "o1-mini")),
        ] {
            let found = (found.0, ShortText::new(found.1).unwrap());
            let model = ShortText::new(model).unwrap();
            assert_eq!(routes.find(&model), Some((found.0, &found.1)), "{model}");
        }
        let routes = Routes::new(&settings(&upstream("a", "models = [\"gpt-*\"]"))).unwrap();
        assert_eq!(routes.find(&ShortText::new("claude").unwrap()), None);
    }

    #[test]
    fn a_name_leads_to_one_place() {
        let wrong = |file: String| Routes::new(&settings(&file)).err().unwrap();
        let twice = upstream("a", "models = [\"x\"]") + &upstream("b", "models = [\"x\"]");
        assert!(wrong(twice).contains("two upstreams"));
        assert!(wrong(upstream("a", "models = [\"x*\", \"x*\"]")).contains("two upstreams"));
        assert!(wrong(upstream("a", "models = [\"x\"]\naliases = { x = \"y\" }")).contains("two upstreams"));
        assert!(wrong(upstream("a", "models = [\"x\"]") + &upstream("a", "models = [\"y\"]")).contains("one name"));
    }
}
