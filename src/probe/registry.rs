//! The diagnostics a run can record in `diagnostics.csv`, beside the probe of the unembedding that it always records.
//!
//! Promises: every column that is ever written matches exactly one [`Column`] here, and `docs/diagnostics.md` says the
//! same of each; tests hold both.
//!
//! W is the unembedding, (m, n), X its inputs, (N, n), p, q and s as in [`groklab_probe`]; λ the eigenvalues of the
//! centred covariance of X, descending. Entropies are in nats.

/// One diagnostic: what it is called in a config, and what it records.
#[derive(Debug)]
pub struct Diagnostic {
    /// Which one.
    pub kind: Kind,
    /// Its name in `probe.diagnostics`.
    pub name: &'static str,
    /// What it records.
    pub columns: &'static [Column],
    /// Where it comes from.
    pub source: &'static str,
    /// What it takes; also the name of a group in `probe.diagnostics`.
    pub cost: Cost,
    /// The runs that have it; those of other tasks lack its columns.
    pub needs: Needs,
}

/// Which diagnostic, for those who compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the registry is the documentation
pub enum Kind {
    PartialLar,
    ParticipationRatio,
    SpectralEntropy,
    RankMe,
    PowerLaw,
    WeightNorms,
    FourierGini,
    KeyFrequencies,
    MatrixLar,
    AttentionEntropy,
    ClassDistance,
    FourierLoss,
    FourierGiniTokens,
    JacobianSpectrum,
    Alignment,
}

/// One column of `diagnostics.csv`, or a family of them.
#[derive(Debug)]
pub struct Column {
    /// Its name. `{matrix}`, `{block}`, `{head}`, `{k}` and `{i}` stand for each of its kind.
    pub name: &'static str,
    /// What it holds.
    pub formula: &'static str,
    /// In which unit; `1` for pure numbers.
    pub unit: &'static str,
}

/// What a diagnostic takes at each evaluation; docs/diagnostics.md has the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A few small matrix products and one eigenvalue decomposition of n×n.
    Cheap,
    /// A forward pass of the plain model over the training rows, shared by all diagnostics of this cost.
    Forward,
    /// A forward pass of the plain model over all p² pairs of operands.
    Pairs,
    /// A backward pass of the plain model for each symbol, over [`JACOBIAN_ROWS`] rows.
    Jacobian,
}

impl Cost {
    /// As a config writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cheap => "cheap",
            Self::Forward => "forward",
            Self::Pairs => "pairs",
            Self::Jacobian => "jacobian",
        }
    }
}

/// Which runs have a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// All.
    Nothing,
    /// Those of tasks whose symbols are the residues of a modulus.
    Modulus,
    /// Those of tasks over all pairs of residues of a modulus of at most [`MAX_PAIRS_MODULUS`].
    AllPairs,
}

impl Needs {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Self::Nothing => "any task",
            Self::Modulus => "a task with a modulus",
            Self::AllPairs => "a task over all pairs of residues of a modulus up to 256",
        }
    }
}

/// p³ logits are in memory at once: 67 MB here.
pub const MAX_PAIRS_MODULUS: usize = 256;
/// The group of all diagnostics.
pub const ALL: &str = "all";
/// The k of `l_{k}` and `delta_{k}`.
pub const PARTIAL: [usize; 5] = [1, 2, 3, 5, 10];
/// How many `key_frequency_{i}` there are.
pub const KEY_FREQUENCIES: usize = 10;

/// Training rows that `jacobian_spectrum` looks at.
pub const JACOBIAN_ROWS: usize = 64;
/// Rows of each side that `alignment` looks at.
pub const ALIGNMENT_ROWS: usize = 512;

const fn column(name: &'static str, formula: &'static str, unit: &'static str) -> Column {
    Column { name, formula, unit }
}

/// Every diagnostic, in the order of the columns of `diagnostics.csv`.
pub static DIAGNOSTICS: [Diagnostic; 15] = [
    Diagnostic {
        kind: Kind::PartialLar,
        name: "partial_lar",
        columns: &[
            column("l_{k}", "L_k = 1 + ½·log_n Σ_{i≤k} p_i q_i, for k = 1, 2, 3, 5, 10", "1"),
            column("delta_{k}", "Δ_k = LAR − L_k", "1"),
        ],
        source: "Shehper & Vaswani, arXiv 2605.28975",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::ParticipationRatio,
        name: "participation_ratio",
        columns: &[column("participation_ratio", "(Σλ)² / Σλ²", "dimensions")],
        source: "Gao et al. 2017, bioRxiv 214262",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::SpectralEntropy,
        name: "spectral_entropy",
        columns: &[column("spectral_entropy", "−Σ λ̃ ln λ̃, λ̃ = λ/Σλ", "nats")],
        source: "Roy & Vetterli 2007, of covariance eigenvalues",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::RankMe,
        name: "rankme",
        columns: &[column(
            "rankme",
            "exp(−Σ r ln r), r = σ/Σσ + 10⁻⁷, σ the singular values of X, not centred",
            "dimensions",
        )],
        source: "Garrido et al. 2023, arXiv 2210.02885, eq. 1",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::PowerLaw,
        name: "power_law",
        columns: &[
            column(
                "head_slope",
                "slope of ln λ_i against ln i, least squares over i = 1 … ⌊√r⌋ of the r λ above n·ε²·mean‖x‖², ε = 2⁻²³: f32 inputs resolve no less",
                "1",
            ),
            column("head_r2", "R² of that line", "1"),
            column("tail_slope", "the same over i = ⌊√r⌋+1 … r", "1"),
            column("tail_r2", "R² of that line", "1"),
        ],
        source: "Ghosh et al. 2022, arXiv 2202.05808; cut in two here",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::WeightNorms,
        name: "weight_norms",
        columns: &[column("norm.{matrix}", "‖matrix‖_F, of each weight matrix and embedding", "1")],
        source: "Liu et al. 2022, arXiv 2210.01117, by matrix",
        cost: Cost::Cheap,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::FourierGini,
        name: "fourier_gini",
        columns: &[
            column(
                "gini_embed",
                "Gini coefficient of the norms ‖U_kᵀE‖ over the frequencies k = 1 … ⌊p/2⌋; E the embedding of the p residues, U_k = √(2/p) (cos 2πkx/p, sin 2πkx/p)",
                "1",
            ),
            column("gini_unembed", "the same of W", "1"),
        ],
        source: "Nanda et al. 2023, arXiv 2301.05217",
        cost: Cost::Cheap,
        needs: Needs::Modulus,
    },
    Diagnostic {
        kind: Kind::KeyFrequencies,
        name: "key_frequencies",
        columns: &[
            column(
                "key_frequencies",
                "how many frequencies k have ‖U_kᵀW‖² per dimension (two; one for k = p/2) above twice the mean over all p − 1 dimensions",
                "frequencies",
            ),
            column(
                "key_frequency_{i}",
                "the k with the i-th largest ‖U_kᵀW‖² per dimension of these, i = 1 … 10; NaN beyond their number",
                "cycles in p",
            ),
        ],
        source: "Nanda et al. 2023, arXiv 2301.05217; the threshold is this laboratory's",
        cost: Cost::Cheap,
        needs: Needs::Modulus,
    },
    Diagnostic {
        kind: Kind::MatrixLar,
        name: "matrix_lar",
        columns: &[column(
            "lar.{matrix}",
            "log_n( RMS(X Wᵀ) / (RMS(W)·RMS(X)) ), W the matrix, X its n-wide inputs over the training rows, at every position whose output reaches the loss; one-hot for lar.embed.token",
            "1",
        )],
        source: "Shehper & Vaswani, arXiv 2605.28975, for every linear map",
        cost: Cost::Forward,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::AttentionEntropy,
        name: "attention_entropy",
        columns: &[column(
            "attention_entropy.blocks.{block}.head.{head}",
            "mean over the training rows of −Σ_j a_j ln a_j, a the weights that \"=\" gives to the positions; at most ln 4, without an operator ln 3",
            "nats",
        )],
        source: "Zhai et al. 2023, arXiv 2303.06296, by head",
        cost: Cost::Forward,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::ClassDistance,
        name: "class_distance",
        columns: &[
            column(
                "within_class_distance",
                "√( (1/N) Σ_x ‖x − μ_c‖² ), μ_c the mean of the rows of X with x's answer c",
                "units of X",
            ),
            column("between_class_distance", "√( (1/N) Σ_x ‖μ_c − μ‖² ), μ the mean of X", "units of X"),
            column("class_distance_ratio", "within / between", "1"),
        ],
        source: "Papyan, Han & Donoho 2020, arXiv 2008.08186 (NC1, traces)",
        cost: Cost::Forward,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::FourierLoss,
        name: "fourier_loss",
        columns: &[
            column(
                "restricted_loss",
                "mean cross-entropy over all pairs (x, y) of the logits reduced to their mean over all pairs and their part at the key frequencies: products of a cosine or sine of 2πkx/p and one of 2πky/p",
                "nats",
            ),
            column(
                "excluded_loss",
                "mean cross-entropy over the training rows of the logits without that part at the key frequencies",
                "nats",
            ),
        ],
        source: "Nanda et al. 2023, arXiv 2301.05217",
        cost: Cost::Pairs,
        needs: Needs::AllPairs,
    },
    Diagnostic {
        kind: Kind::FourierGiniTokens,
        name: "fourier_gini_tokens",
        columns: &[column(
            "gini_embed_tokens",
            "gini_embed over p + 1 rows, those of the residues and that of \"=\" as if it were one: the modulus that its peaks have is p",
            "1",
        )],
        source: "arXiv 2506.12284, as its code has it",
        // next to nothing; but the files of `cheap` are older than it
        cost: Cost::Jacobian,
        needs: Needs::Modulus,
    },
    Diagnostic {
        kind: Kind::JacobianSpectrum,
        name: "jacobian_spectrum",
        columns: &[
            column(
                "jacobian_norm",
                "mean ‖J(x)‖_F over the first 64 training rows, J the Jacobian of the logits by the embedded tokens x (T·d numbers)",
                "logits per unit of x",
            ),
            column("jacobian_pc1", "mean s₁² / Σ s² of the singular values s of J(x), the same rows", "1"),
            column(
                "jacobian_align",
                "mean absolute value of cos(v₁, x), v₁ the first right singular vector of J(x), the same rows",
                "1",
            ),
        ],
        source: "arXiv 2506.12284",
        cost: Cost::Jacobian,
        needs: Needs::Nothing,
    },
    Diagnostic {
        kind: Kind::Alignment,
        name: "alignment",
        columns: &[
            column(
                "centroid_align_train",
                "mean cos(μ_x, x), μ_x = J(x)ᵀ1, over the first 512 training rows; cross-entropy leaves its size and sign free",
                "1",
            ),
            column("centroid_align_val", "the same of the first 512 validation rows", "1"),
            column("centroid_norm", "mean ‖μ_x‖ over the first 512 training rows", "logits per unit of x"),
            column(
                "class_align",
                "mean cos(∇_x(f_y − mean_c f_c), x), f the logits, y the answer, over the first 512 training rows; own definition",
                "1",
            ),
            column("class_align_val", "the same of the first 512 validation rows", "1"),
        ],
        source: "arXiv 2506.12284",
        cost: Cost::Jacobian,
        needs: Needs::Nothing,
    },
];

impl Diagnostic {
    /// Whether `name`, of a diagnostic or a group, means this one.
    pub fn is_meant_by(&self, name: &str) -> bool {
        [self.name, self.cost.name(), ALL].contains(&name)
    }
}

/// The diagnostics that `names`, of diagnostics and groups, choose, in the order of the registry.
///
/// # Errors
/// The first name that is not known, or comes again.
pub fn choose<S: AsRef<str>>(names: &[S]) -> Result<Vec<&'static Diagnostic>, &str> {
    for (i, name) in names.iter().map(AsRef::as_ref).enumerate() {
        let is_known = DIAGNOSTICS.iter().any(|diagnostic| diagnostic.is_meant_by(name));
        if !is_known || names[..i].iter().any(|earlier| earlier.as_ref() == name) {
            return Err(name);
        }
    }
    let is_chosen = |d: &&Diagnostic| names.iter().any(|name| d.is_meant_by(name.as_ref()));
    Ok(DIAGNOSTICS.iter().filter(is_chosen).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_groups_choose_in_the_order_of_the_registry() {
        let names =
            |chosen: &[&str]| -> Vec<&str> { choose(chosen).unwrap().iter().map(|d| d.name).collect() };
        assert_eq!(names(&["matrix_lar", "rankme"]), ["rankme", "matrix_lar"]);
        assert_eq!(names(&["forward", "matrix_lar"]), ["matrix_lar", "attention_entropy", "class_distance"]);
        assert_eq!(names(&["all"]).len(), DIAGNOSTICS.len());
        assert!(names(&[]).is_empty());
    }

    #[test]
    fn unknown_and_repeated_names_are_told() {
        assert_eq!(choose(&["rankme", "rank_me"]).unwrap_err(), "rank_me");
        assert_eq!(choose(&["cheap", "cheap"]).unwrap_err(), "cheap");
        assert_eq!(choose(&[""]).unwrap_err(), "");
    }

    #[test]
    fn no_two_things_have_one_name() {
        let names = DIAGNOSTICS.iter().map(|d| d.name).chain(["cheap", "forward", "pairs", "jacobian", ALL]);
        let unique: std::collections::BTreeSet<_> = names.clone().collect();
        assert_eq!(unique.len(), names.count());
    }
}
