//! `quoth-images measure`: computes the measurements of an image from the files in its folder.

use std::fs::{self, File};
use std::io::BufReader;

use crate::args::Measure;
use crate::build::{COMMAND_LINE, CONFIG, EIF, FIRMWARE, GUEST_POLICY, INITRAMFS, KERNEL, read};
use crate::error::ImageError;
use crate::guest::{self, Guest};
use crate::kernel_image::KernelImage;
use crate::measurements::Measurements;
use crate::{eif, snp};

pub(crate) fn run(options: &Measure) -> Result<String, ImageError> {
    let place = |name: &str| options.folder.join(name);
    let config = place(CONFIG);
    let problem = |problem| ImageError::Wrong { file: config.clone(), problem };
    let mut measurements = Measurements::new(&options.name, &read(&config)?).map_err(problem)?;
    let (image, kernel) = (place(EIF), place(KERNEL));
    if !image.exists() && !kernel.exists() {
        let problem = "not a folder that `quoth-images build` wrote".into();
        return Err(ImageError::Wrong { file: options.folder.clone(), problem });
    }
    if image.exists() {
        let file = File::open(&image).map_err(ImageError::at(&image))?;
        let problem = |problem: &str| ImageError::Wrong { file: image.clone(), problem: problem.into() };
        let found = eif::inspect(BufReader::new(file));
        let found = found.map_err(|source| ImageError::Eif { file: image.clone(), source })?;
        // The hardware would not launch an image with a wrong signature.
        let signed = found.signed.transpose().map_err(problem)?;
        if signed.as_ref().is_some_and(|signed| !signed.right) {
            return Err(problem("the signature is not over this image"));
        }
        measurements = measurements.nitro(&found.registers, signed.map(|signed| signed.pcr8));
    }
    if kernel.exists() {
        let (line, policy) = (place(COMMAND_LINE), place(GUEST_POLICY));
        let asked = fs::read_to_string(&policy).map_err(ImageError::at(&policy))?;
        let asked = guest::from_text(&asked).ok_or_else(|| ImageError::Wrong {
            file: policy,
            problem: "not a guest policy that `quoth-images build` writes".into(),
        })?;
        let has_static_acpi = KernelImage::parse(&kernel, &read(&kernel)?)?.has_static_acpi();
        let launched = snp::Launched {
            kernel,
            initramfs: place(INITRAMFS),
            firmware: place(FIRMWARE),
            command_line: fs::read_to_string(&line).map_err(ImageError::at(&line))?,
        };
        let digests = snp::digests(&launched, &options.processors.cpu, &options.processors.vcpus)?;
        measurements = measurements.snp(digests, Guest::new(asked, has_static_acpi));
    }
    Ok(measurements.to_toml())
}
